/** A part of the page. */
import type { Markup } from './markup.ts';

/** Left out where there is nothing to show. */
export interface Section {
  readonly id: string;
  /** In the navigation. */
  readonly short: string;
  readonly title: string;
  readonly lead?: string;
  readonly body: Markup;
}
