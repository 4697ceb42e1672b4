/** Text of ids that come one by one. A character may take several ids: what is not whole yet is held back. */
import type { Tokenizer } from '../parity/index.ts';

/** What bytes that are no character decode to. */
const replacement = '\ufffd';

export class TextStream {
  readonly #tokenizer: Tokenizer;
  readonly #onText: (text: string) => void;
  readonly #ids: number[] = [];
  #shown = '';

  constructor(tokenizer: Tokenizer, onText: (text: string) => void) {
    this.#tokenizer = tokenizer;
    this.#onText = onText;
  }

  get ids(): readonly number[] {
    return this.#ids;
  }

  push(id: number): void {
    this.#ids.push(id);
    const text = this.#tokenizer.decode(this.#ids);
    if (!text.endsWith(replacement)) this.#show(text);
  }

  /** The whole text; what was held back is shown as it is. */
  finish(): string {
    const text = this.#ids.length === 0 ? '' : this.#tokenizer.decode(this.#ids);
    this.#show(text);
    return text;
  }

  /** A decoder may take back what it gave, as a space before a sign; then nothing is shown until it goes on. */
  #show(text: string): void {
    if (!text.startsWith(this.#shown) || text === this.#shown) return;
    this.#onText(text.slice(this.#shown.length));
    this.#shown = text;
  }
}
