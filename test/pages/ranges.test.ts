/** What a sweep found, on the page in a real browser: lines, what they say when pointed at, and tables that sort. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { withRanges } from '../../src/parity/gates-ranges.ts';
import { renderHtml } from '../../src/parity/report/html/page.ts';
import { fullReport } from '../parity/report/full-report.ts';
import { rangeReport } from '../parity/report/range-report.ts';
import { load, noBrowser, openBrowser, type View } from '../support/browser.ts';

let folder = '';
let browser: Browser | undefined;

beforeAll(async () => {
  if (noBrowser !== undefined) return;
  folder = await mkdtemp(join(tmpdir(), 'vlm-page-'));
  const report = withRanges(fullReport(), rangeReport([3000, 60_000, 90_000]), []);
  await writeFile(join(folder, 'swept.html'), renderHtml(report));
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  if (folder !== '') await rm(folder, { recursive: true });
});

beforeEach((context) => context.skip(noBrowser !== undefined, noBrowser));

async function onPage(body: (page: Page) => Promise<void>, view: View = {}): Promise<void> {
  if (browser === undefined) throw new Error('no browser');
  const { page, faults } = await load(browser, pathToFileURL(join(folder, 'swept.html')).href, view);
  try {
    await body(page);
    expect(faults).toEqual([]);
  } finally {
    await page.context().close();
  }
}

describe('the ranges of a sweep', () => {
  it.each([
    [1200, false],
    [360, true],
  ])('stand between the logits and the gates, %d px wide', (width, dark) =>
    onPage(
      async (page) => {
        const sections = await page.locator('main > section').evaluateAll((all) => all.map(({ id }) => id));
        const at = sections.indexOf('ranges');
        expect(sections.slice(at - 1, at + 2)).toEqual(['logits', 'ranges', 'gates']);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
        expect(await page.locator('.failures').innerText()).toContain('1344x896, block.7/MatMul_7');
        const colours = await page
          .locator('#ranges .line:not(.limit)')
          .evaluateAll((lines) => lines.map((line) => getComputedStyle(line).stroke));
        expect(new Set(colours).size).toBe(3);
        const legend = await page.locator('#ranges .legend li').allInnerTexts();
        expect(legend.map((text) => text.trim())).toEqual(['448x448', '896x896', '1344x896', '65504']);
      },
      { width, dark },
    ),
  );

  it('are read out block by block, at every size', () =>
    onPage(async (page) => {
      const area = page.locator('[data-plot="ranges:0"]');
      await area.focus();
      for (let block = 0; block <= 8; block += 1) await page.keyboard.press('ArrowRight');
      const said = await page.locator('#tip').textContent();
      expect(said).toBe(
        [
          'block 8, block.7',
          '448x448: largest 3000, headroom 21.83',
          '896x896: largest 60000, headroom 1.092',
          '1344x896: largest 90000, headroom 0.7278',
        ].join('\n'),
      );
    }));

  it('sort by headroom', () =>
    onPage(async (page) => {
      const table = page.locator('table', {
        has: page.locator('caption:text-is("Least headroom per size and component")'),
      });
      await table.getByRole('button', { name: 'Least headroom' }).click();
      await table.getByRole('button', { name: 'Least headroom' }).click();
      const first = await table.locator('tbody tr').first().innerText();
      expect(first).toMatch(/^1344x896\s[\s\S]*vision\s[\s\S]*0\.728/);
    }));
});
