/** The error of sounds on the page in a real browser: curves along time, and what they say frame by frame. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { renderHtml } from '../../src/parity/report/html/page.ts';
import { loud, quiet, sound, soundReport } from '../parity/report/sound-report.ts';
import { load, noBrowser, openBrowser } from '../support/browser.ts';

let folder = '';
let browser: Browser | undefined;

beforeAll(async () => {
  if (noBrowser !== undefined) return;
  folder = await mkdtemp(join(tmpdir(), 'vlm-page-'));
  await writeFile(join(folder, 'heard.html'), renderHtml(soundReport([sound(0, loud), sound(1, quiet)])));
  browser = await openBrowser();
});

afterAll(async () => {
  await browser?.close();
  if (folder !== '') await rm(folder, { recursive: true });
});

beforeEach((context) => context.skip(noBrowser !== undefined, noBrowser));

it('is read out frame by frame, with its time', async () => {
  if (browser === undefined) throw new Error('no browser');
  const { page, faults } = await load(browser, pathToFileURL(join(folder, 'heard.html')).href, {});
  try {
    expect(await page.locator('#tokens h2').innerText()).toBe('Where in the sound');
    const shown = page.locator('#tokens [data-tab]:not([hidden])');
    expect(await shown.locator('figure').count()).toBe(2);
    const area = shown.locator('[data-plot$=":0"]').first();
    await area.focus();
    for (let frame = 0; frame <= 12; frame += 1) await page.keyboard.press('ArrowRight');
    expect(await page.locator('#tip').textContent()).toBe('sound 0, frame 12 (0.48 s)\n0.01');
    // The mark of the worst frame is behind the one that is read.
    const [mark, cursor] = await Promise.all([
      area.locator('.worst').boundingBox(),
      area.locator('.cursor').boundingBox(),
    ]);
    expect(Math.abs((mark?.x ?? -99) - (cursor?.x ?? 0))).toBeLessThan(3);
    expect(faults).toEqual([]);
  } finally {
    await page.context().close();
  }
});
