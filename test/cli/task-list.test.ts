/** The task list's contract: it ends, in success and failure, and holds warnings back until it has. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { taskListReporter } from '../../src/cli/task-list.ts';
import { diagnostic } from '../../src/report/diagnostics.ts';

const written = { out: '', err: '' };
beforeEach(() => {
  written.out = '';
  written.err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written.out += String(text);
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

const stages = [
  { id: 'a', title: 'Read' },
  { id: 'b', title: 'Write' },
  { id: 'c', title: 'Check' },
];
const keep = (text: string): void => {
  written.err += text;
};
/** listr2 takes up a task some turns after the one before it has ended. */
const turns = (): Promise<void> => new Promise((done) => setTimeout(done, 20));

it('shows each stage with what came out, then the warnings', async () => {
  const reporter = taskListReporter(keep);
  reporter.stages(stages);
  await turns();
  for (const { id, title } of stages) {
    reporter.start(id);
    reporter.progress(id, { done: 1, total: 2, unit: 'bytes' });
    reporter.finish(id, `done with ${title}`);
    await turns();
  }
  reporter.warn([diagnostic('VC4301', { where: 'tile 2' })]);
  expect(written.err).toBe('');
  await reporter.close('ok');
  for (const { title } of stages) expect(written.out).toContain(`${title}: done with ${title}`);
  expect(written.err).toContain('tile 2');
});

it.each([0, 1, 2])('ends when stage %i fails', async (failing) => {
  const reporter = taskListReporter(keep);
  reporter.stages(stages);
  for (const [index, { id }] of stages.entries()) {
    if (index > failing) break;
    reporter.start(id);
    if (index < failing) reporter.finish(id);
  }
  await reporter.close('failed');
  expect(written.out).toContain('Read');
});

it('ends when nothing has begun', async () => {
  await taskListReporter(keep).close('failed');
  expect(written.out).toBe('');
});
