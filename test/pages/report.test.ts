/** The HTML report in a real browser: what a reader sees, points at, sorts and reads with the keyboard alone. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { renderHtml } from '../../src/parity/report/html/page.ts';
import { renderJunit } from '../../src/parity/report/junit.ts';
import { fault, fullReport, hostileName } from '../parity/report/full-report.ts';
import { load, noBrowser, openBrowser, type View } from '../support/browser.ts';

const reports = {
  good: fullReport(),
  broken: fullReport({ broken: true }),
  hostile: fullReport({ broken: true, name: hostileName }),
};

let folder = '';
let browser: Browser | undefined;

beforeAll(async () => {
  if (noBrowser !== undefined) return;
  folder = await mkdtemp(join(tmpdir(), 'vlm-page-'));
  for (const [name, report] of Object.entries(reports)) {
    await writeFile(join(folder, `${name}.html`), renderHtml(report));
  }
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  if (folder !== '') await rm(folder, { recursive: true });
});

beforeEach((context) => context.skip(noBrowser !== undefined, noBrowser));

/** Runs `body` on the page of a report; afterwards nothing may have gone wrong on it. */
async function onPage(
  name: keyof typeof reports,
  body: (page: Page) => Promise<void>,
  view: View = {},
): Promise<void> {
  if (browser === undefined) throw new Error('no browser');
  const { page, faults } = await load(browser, pathToFileURL(join(folder, `${name}.html`)).href, view);
  try {
    await body(page);
    expect(faults).toEqual([]);
  } finally {
    await page.context().close();
  }
}

/** Scrolls, and waits until what hangs on it has happened. */
async function scrollTo(element: Locator): Promise<void> {
  await element.scrollIntoViewIfNeeded();
  await element
    .page()
    .evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
}

/** Texts of a column of the table with a caption. */
function column(page: Page, caption: string, head: string): Promise<string[]> {
  return page
    .locator('table', { has: page.locator(`caption:text-is("${caption}")`) })
    .evaluate((table, wanted) => {
      const heads = [...table.querySelectorAll('thead th')].map((cell) => cell.textContent.trim());
      const index = heads.indexOf(wanted);
      return [...table.querySelectorAll('tbody tr')].map(
        (row) => row.children[index]?.textContent.trim() ?? '',
      );
    }, head);
}

const gatesCaption = 'All gates: what was measured, what was allowed';

describe('the page', () => {
  for (const name of ['good', 'broken'] as const) {
    for (const width of [1200, 360]) {
      for (const dark of [false, true]) {
        it(`loads from the file alone: ${name}, ${width} px, ${dark ? 'dark' : 'light'}`, () =>
          onPage(
            name,
            async (page) => {
              const seen = await page.evaluate(() => ({
                wide: document.documentElement.scrollWidth,
                background: getComputedStyle(document.body).backgroundColor,
                sections: [...document.querySelectorAll('main > section')].map(({ id }) => id),
              }));
              expect(seen.wide).toBe(width);
              const [red = 0] = seen.background.match(/\d+/g)?.map(Number) ?? [];
              expect(red < 60).toBe(dark);
              expect(seen.sections).toEqual([
                'blocks',
                'tokens',
                'logits',
                'gates',
                'numbers',
                'weights',
                'placement',
                'passes',
                'warnings',
                'measured',
              ]);
              expect(await page.locator('.verdict').innerText()).toMatch(
                name === 'good' ? /^Passed/ : /^FAILED/,
              );
              const said = await page.locator('.findings').allTextContents();
              expect(said.join()).toMatch(name === 'good' ? /^$/ : /block 11 .*: wrong zero points of /);
              expect(await page.locator('.failures').count()).toBe(name === 'good' ? 0 : 1);
              expect(await lowContrast(page)).toEqual([]);
            },
            { width, dark },
          ));
      }
    }
  }

  it('is readable without script: every map and every table is there', () =>
    onPage(
      'broken',
      async (page) => {
        expect(await page.locator('[data-tab]').count()).toBe(3);
        for (const panel of await page.locator('[data-tab]').all())
          expect(await panel.isVisible()).toBe(true);
        expect((await page.locator('table tbody tr').count()) > 100).toBe(true);
      },
      { script: false },
    ));

  it('names every table and picture, and says which cells are heads', () =>
    onPage('broken', async (page) => {
      const nameless = await page.evaluate(() =>
        [
          ...[...document.querySelectorAll('table')].filter((table) => !table.caption?.textContent),
          ...[...document.querySelectorAll('th')].filter((cell) => !cell.scope),
          ...[...document.querySelectorAll('[role=img], [role=region]')].filter(
            (one) => !one.getAttribute('aria-label'),
          ),
          ...[...document.querySelectorAll('svg')].filter((svg) => !svg.closest('[aria-hidden=true]')),
        ].map((element) => element.outerHTML.slice(0, 80)),
      );
      expect(nameless).toEqual([]);
      const ids = await page.evaluate(() => [...document.querySelectorAll('[id]')].map(({ id }) => id));
      expect(new Set(ids).size).toBe(ids.length);
    }));

  it('shows a hostile name as text and runs nothing of it', () =>
    onPage('hostile', async (page) => {
      expect(await page.title()).not.toBe('broken');
      expect(await page.locator('h1').textContent()).toBe(hostileName);
      const name = await page.evaluate(
        () =>
          (
            JSON.parse(document.getElementById('parity-report')?.textContent ?? '') as {
              model: { name: string };
            }
          ).model.name,
      );
      expect(name).toBe(hostileName);
    }));

  it('opens what is folded for paper', () =>
    onPage('broken', async (page) => {
      const hidden = () => page.locator('details:not([open]), [data-tab][hidden]').count();
      expect(await hidden()).toBeGreaterThan(3);
      await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
      expect(await hidden()).toBe(0);
      await page.evaluate(() => dispatchEvent(new Event('afterprint')));
      expect(await hidden()).toBeGreaterThan(3);
    }));
});

describe('tables', () => {
  it('sort by numbers, the largest first, then the other way round', () =>
    onPage('broken', async (page) => {
      const before = await column(page, gatesCaption, 'Used');
      const head = page.locator('#gates th', { hasText: 'Measured' });
      await head.locator('button').click();
      expect(await head.getAttribute('aria-sort')).toBe('descending');
      const values = (await column(page, gatesCaption, 'Measured')).map(Number);
      expect(values).toEqual([...values].sort((a, b) => b - a));
      expect(values.length).toBe(before.length);
      await head.locator('button').click();
      expect(await head.getAttribute('aria-sort')).toBe('ascending');
      expect((await column(page, gatesCaption, 'Measured')).map(Number)).toEqual(
        [...values].sort((a, b) => a - b),
      );
    }));

  it('sort by the number behind a text, and by text', () =>
    onPage('broken', async (page) => {
      const weights = 'Weights per component, reader and format';
      await page.locator('#weights th button', { hasText: 'After' }).click();
      // As text 388 MB would stand before 2.2 GiB.
      expect((await column(page, weights, 'After'))[0]).toBe('4.2 GiB');
      await page.locator('#weights th button', { hasText: 'Read by' }).click();
      const readers = await column(page, weights, 'Read by');
      expect(readers).toEqual([...readers].sort());
    }));

  it('sort by the keyboard alone, and put empty cells last', () =>
    onPage('broken', async (page) => {
      const caption = 'Nodes per graph and execution provider';
      await page.locator('#placement th button', { hasText: 'Nodes' }).focus();
      await page.keyboard.press('Enter');
      const nodes = await column(page, caption, 'Nodes');
      const filled = nodes.filter((text) => text !== '').map(Number);
      expect(filled.length).toBeGreaterThan(1);
      expect(nodes.slice(0, filled.length).map(Number)).toEqual([...filled].sort((a, b) => b - a));
      await page.keyboard.press('Space');
      const turned = await column(page, caption, 'Nodes');
      expect(turned.slice(0, filled.length).map(Number)).toEqual([...filled].sort((a, b) => a - b));
      expect(turned.at(-1)).toBe('');
    }));
});

describe('the chart of blocks', () => {
  it('marks the block with the fault, and none where none stands out', () =>
    onPage('broken', async (page) => {
      const charts = page.locator('figure.curve');
      expect(await charts.count()).toBe(2);
      const worst = charts.nth(0).locator('rect.worst');
      const share = await worst.evaluate((rect) => Number(rect.getAttribute('x')) / 1000);
      expect(Math.round(share * 24)).toBe(fault.block);
      expect(await charts.nth(1).locator('rect.worst').count()).toBe(0);
      expect(await charts.nth(0).locator('figcaption').innerText()).toContain(
        `resblocks.${fault.block}) stands out: 0.03 at implementation`,
      );
    }));

  it('tells the values under the pointer and by arrow keys', () =>
    onPage('broken', async (page) => {
      const area = page.locator('figure.curve').nth(0).locator('[data-plot]');
      await scrollTo(area);
      const box = await area.boundingBox();
      if (box === null) throw new Error('no chart');
      await page.mouse.move(box.x + ((fault.block + 0.5) / 24) * box.width, box.y + 20);
      const tip = page.locator('#tip');
      expect(await tip.innerText()).toMatch(
        /block 11, .*resblocks\.11\naccumulated: 0\.0.*\nlocal: 0\.031,.*\nimplementation: 0\.03,.*\nrewrite: /,
      );
      await page.mouse.move(1, 1);
      expect(await tip.isVisible()).toBe(false);
      await area.focus();
      await page.keyboard.press('End');
      expect(await tip.innerText()).toContain('block 23, ');
      await page.keyboard.press('ArrowLeft');
      expect(await tip.innerText()).toContain('block 22, ');
      expect(await page.locator('[aria-live]').innerText()).toContain('block 22, ');
      await page.keyboard.press('Escape');
      expect(await tip.isVisible()).toBe(false);
    }));
});

describe('the heat map', () => {
  it("marks the planted fault's cell in its tile, and colours it alone as the worst", () =>
    onPage('broken', async (page) => {
      // The first comparison that fails is shown first.
      const shown = page.locator('[data-tab]:visible');
      expect(await shown.getAttribute('data-tab')).toMatch(/^implementation/);
      expect(await shown.locator('rect.mark').count()).toBe(1);
      const mark = await shown.locator('rect.mark').evaluate((rect) => {
        const at = (name: string): number => Number(rect.getAttribute(name));
        return { x: at('x'), y: at('y'), width: at('width'), height: at('height') };
      });
      // Tile 2 of 3 columns, 448 pixels wide, 16 x 16 tokens.
      expect(mark).toEqual({ x: 2 * 448 + 28 * fault.column, y: 28 * fault.row, width: 28, height: 28 });
      expect(
        await shown.locator('path.h11').evaluateAll((paths) => paths.map((path) => path.getAttribute('d'))),
      ).toEqual([`M${fault.column} ${fault.row}h1v1h-1z`]);
      expect(await shown.innerText()).toContain('tile row 0 column 2, token row 5 column 9: 0.8');
    }));

  it('tells the error of the token under the pointer and by arrow keys', () =>
    onPage('broken', async (page) => {
      const shown = page.locator('[data-tab]:visible');
      await scrollTo(shown.locator('rect.mark'));
      const mark = await shown.locator('rect.mark').boundingBox();
      if (mark === null) throw new Error('no mark');
      await page.mouse.move(mark.x + mark.width / 2, mark.y + mark.height / 2);
      const tip = page.locator('#tip');
      expect(await tip.innerText()).toBe('tile row 0 column 2\ntoken row 5 column 9\n0.8');
      const board = shown.locator('[data-heat]').nth(0);
      await board.focus();
      // From where the pointer was; on into the next tile to the left.
      await page.keyboard.press('ArrowLeft');
      expect(await tip.innerText()).toContain('token row 5 column 8');
      for (let step = 0; step < 9; step += 1) await page.keyboard.press('ArrowLeft');
      expect(await tip.innerText()).toContain('tile row 0 column 1\ntoken row 5 column 15');
      for (let step = 0; step < 20; step += 1) await page.keyboard.press('ArrowUp');
      expect(await tip.innerText()).toContain('tile row 0 column 1\ntoken row 0 column 15');
    }));

  it('lies over the picture that was drawn, and over none that is not at hand', async () => {
    await onPage('good', async (page) => {
      const size = await page.locator('#picture image').evaluate(async (image) => {
        const picture = new Image();
        picture.src = image.getAttribute('href') ?? '';
        await picture.decode();
        return [picture.naturalWidth, picture.naturalHeight];
      });
      expect(size).toEqual([360, 240]);
    });
    const { picture, ...sample } = reports.good.sample;
    if (picture === undefined) throw new Error('no picture');
    const other = { ...reports.good, sample: { ...sample, picture: { ...picture, sha256: 'of another' } } };
    expect(renderHtml(other)).not.toContain('data:image/png');
  });

  it('changes the comparison by tabs, with the keyboard as well', () =>
    onPage('good', async (page) => {
      const shown = () => page.locator('[data-tab]:visible').getAttribute('data-tab');
      expect(await shown()).toMatch(/^fidelity/);
      await page.locator('[role=tab]', { hasText: 'rewrite' }).click();
      expect(await shown()).toMatch(/^rewrite/);
      await page.keyboard.press('ArrowRight');
      expect(await shown()).toMatch(/^implementation/);
      expect(await page.locator('[role=tab][aria-selected=true]').innerText()).toMatch(/^implementation/);
    }));
});

it('tells the bins of the histogram', () =>
  onPage('good', async (page) => {
    const area = page.locator('figure.histogram [data-plot]').nth(0);
    await area.focus();
    await page.keyboard.press('Home');
    expect(await page.locator('#tip').innerText()).toMatch(/^below -/);
    await page.keyboard.press('ArrowRight');
    expect(await page.locator('#tip').innerText()).toMatch(/ to -.*\n\d+ numbers?$/);
  }));

it('reads the JUnit file as XML, hostile names and all', () =>
  onPage('good', async (page) => {
    const read = await page.evaluate((text) => {
      const xml = new DOMParser().parseFromString(text, 'application/xml');
      const attributes = (selector: string, name: string): (string | null)[] =>
        [...xml.querySelectorAll(selector)].map((element) => element.getAttribute(name));
      return {
        errors: xml.querySelectorAll('parsererror').length,
        cases: attributes('testcase', 'name').length,
        failures: attributes('failure', 'message'),
        model: attributes('property[name=model]', 'value')[0],
      };
    }, renderJunit(reports.hostile));
    expect(read.errors).toBe(0);
    expect(read.cases).toBe(reports.hostile.gates.length);
    expect(read.failures.length).toBe(reports.hostile.gates.filter((gate) => !gate.passed).length);
    expect(read.failures[0]).toContain('worst at tile row 0 column 2');
    // XML has no way to write a control character.
    expect(read.model).toBe(`${hostileName.replace('\u0007', '\uFFFD')}, monkey`);
  }));

/** Texts whose contrast with what is behind them is below WCAG's 4.5 to 1. */
function lowContrast(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const luminance = ([red = 0, green = 0, blue = 0]: readonly number[]): number => {
      const linear = (value: number): number =>
        value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;
      return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    };
    const channels = (colour: string): number[] => (colour.match(/[\d.]+/g) ?? []).map(Number);
    const behind = (element: Element): number[] => {
      for (let at: Element | null = element; at !== null; at = at.parentElement) {
        const colour = channels(getComputedStyle(at).backgroundColor);
        if (colour[3] === undefined || colour[3] > 0.5) return colour;
      }
      return [255, 255, 255];
    };
    const low = new Set<string>();
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const element = node.parentElement;
      if (element === null || !node.textContent?.trim() || !element.checkVisibility()) continue;
      const [text, back] = [luminance(channels(getComputedStyle(element).color)), luminance(behind(element))];
      const contrast = (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05);
      if (contrast < 4.5) low.add(`${contrast.toFixed(2)}: ${node.textContent.trim().slice(0, 40)}`);
    }
    return [...low];
  });
}
