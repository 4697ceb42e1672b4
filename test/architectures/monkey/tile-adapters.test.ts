import { describe, expect, it } from 'vitest';
import { assignAdapters } from '../../../src/architectures/monkey/tile-adapters.ts';

const trained = { rows: 2, columns: 2 };
const adapters = (result: ReturnType<typeof assignAdapters>) => result.views.map((view) => view.adapter);
const flags = (result: ReturnType<typeof assignAdapters>) => result.views.map((view) => view.trained);

describe('assignAdapters', () => {
  it('runs window i with adapter i, the global view without, on the trained grid', () => {
    const result = assignAdapters(trained, 4, trained, 'error');
    expect(adapters(result)).toEqual([0, 1, 2, 3, null]);
    expect(flags(result)).toEqual([true, true, true, true, undefined]);
    expect(result.views.map((view) => view.kind)).toEqual(['tile', 'tile', 'tile', 'tile', 'global']);
    expect(result.warnings).toEqual([]);
  });

  it('takes the adapter of the nearest trained position beyond the last, and flags moved ones', () => {
    const result = assignAdapters({ rows: 2, columns: 3 }, 4, trained, 'nearest');
    // Window 2 is at (0, 2), its adapter was trained at (1, 0); window 4 at (1, 1) gets the one trained there.
    expect(adapters(result)).toEqual([0, 1, 2, 3, 3, 3, null]);
    expect(flags(result)).toEqual([true, true, false, false, true, false, undefined]);
    expect(result.warnings.map((warning) => [warning.code, warning.where])).toEqual([
      ['VC4301', 'tile 2 (row 0, column 2)'],
      ['VC4301', 'tile 3 (row 1, column 0)'],
      ['VC4301', 'tile 5 (row 1, column 2)'],
    ]);
    expect(result.warnings[0]?.found).toBe('adapter 2, trained at row 1, column 0');
  });

  it('measures distance in rows and columns, ties to the lower index', () => {
    // Adapters 0 … 5 sit on 2 rows of 3; windows 6, 7, 8 are row 2 of 3 columns: right below 3, 4, 5.
    const below = assignAdapters({ rows: 3, columns: 3 }, 6, { rows: 2, columns: 3 }, 'nearest');
    expect(adapters(below).slice(6, 9)).toEqual([3, 4, 5]);
    // Two adapters, at (0, 0) and (0, 1): window 2 at (0, 2) is nearest to the second.
    const beside = assignAdapters({ rows: 1, columns: 3 }, 2, { rows: 1, columns: 3 }, 'nearest');
    expect(adapters(beside)).toEqual([0, 1, 1, null]);
    // Adapters at (0, 0), (0, 1), (1, 0); window 3 at (1, 1) is one step from the last two.
    const tie = assignAdapters(trained, 3, trained, 'nearest');
    expect(adapters(tie)).toEqual([0, 1, 2, 1, null]);
    // One column: window 4 at (4, 0) is nearest to (1, 0).
    const tall = assignAdapters({ rows: 5, columns: 1 }, 4, trained, 'nearest');
    expect(adapters(tall)).toEqual([0, 1, 2, 3, 2, null]);
  });

  it('runs base weights where asked to, and says so', () => {
    const result = assignAdapters({ rows: 2, columns: 3 }, 4, trained, 'base');
    expect(adapters(result)).toEqual([0, 1, 2, 3, null, null, null]);
    expect(flags(result).slice(4)).toEqual([false, false, undefined]);
    expect(result.warnings.map((warning) => warning.found)).toContain('no adapter: base weights only');
    expect(result.warnings).toHaveLength(4);
  });

  it('refuses where asked to', () => {
    expect(() => assignAdapters({ rows: 2, columns: 3 }, 4, trained, 'error')).toThrowError(
      expect.objectContaining({ code: 'VC4302' }),
    );
  });

  it('never calls an adapter trained that the checkpoint never ran', () => {
    const surplus = assignAdapters({ rows: 2, columns: 2 }, 4, { rows: 1, columns: 2 }, 'nearest');
    expect(adapters(surplus)).toEqual([0, 1, 2, 3, null]);
    expect(flags(surplus)).toEqual([true, true, false, false, undefined]);
    const none = assignAdapters({ rows: 1, columns: 2 }, 0, { rows: 1, columns: 2 }, 'nearest');
    expect(adapters(none)).toEqual([null, null, null]);
    expect(none.warnings).toHaveLength(2);
  });
});
