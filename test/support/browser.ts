/** Debian's chromium, driven by playwright-core, for tests of pages. */
import { existsSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';

/** Where .ci/run installs it. */
const chromium = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Undefined where there is a browser, else why there is none. */
export const noBrowser = existsSync(chromium) ? undefined : `no browser at ${chromium}`;

export async function openBrowser(): Promise<Browser> {
  const { chromium: driver } = await import('playwright-core');
  // Chromium's sandbox refuses to run as root, which CI is in its container.
  return driver.launch({ executablePath: chromium, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
}

export interface Loaded {
  readonly page: Page;
  /** Console errors, exceptions, and requests for anything but the page itself. */
  readonly faults: string[];
}

export interface View {
  readonly width?: number;
  readonly dark?: boolean;
  readonly script?: boolean;
}

/** Opens a file in a window of its own; close the page's context afterwards. */
export async function load(
  browser: Browser,
  url: string,
  { width = 1200, dark = false, script = true }: View = {},
): Promise<Loaded> {
  const context = await browser.newContext({
    viewport: { width, height: 800 },
    colorScheme: dark ? 'dark' : 'light',
    javaScriptEnabled: script,
  });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('request', (request) => {
    if (request.url() !== url && !request.url().startsWith('data:'))
      faults.push(`asked for ${request.url()}`);
  });
  await page.goto(url);
  return { page, faults };
}
