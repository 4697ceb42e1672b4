/** Errors along the depth of a component: at the end of every part, of the part alone and of all so far. */
import { metadataKeys } from '../../rewrite/rewriter.ts';
import type { RunTensor } from '../../runtime/values.ts';
import { isFloat } from '../../tensor/dtype.ts';
import type { Place } from '../metrics.ts';
import type { BlockMetrics, ErrorCurve } from '../report/report.ts';
import { BlockErrors } from './block-errors.ts';
import type { PartOutputs } from './lanes.ts';
import type { ModelPart } from './parts.ts';

/** The module that a part ends in; parts of one module are numbered. */
export function blockName(parts: readonly ModelPart[], index: number): string {
  const scopes = parts.map(({ last }) => last?.metadata.get(metadataKeys.scope) ?? last?.name ?? 'output');
  const name = scopes[index] ?? '';
  const same = scopes.flatMap((scope, at) => (scope === name ? [at] : []));
  return same.length === 1 ? name : `${name} (${same.indexOf(index) + 1} of ${same.length})`;
}

export type Curve = 'local' | 'accumulated' | 'rewrite' | 'implementation';

/** What the curve needs to know of the component. */
export interface CurveRun {
  readonly component: string;
  readonly cache: ReadonlyMap<string, string>;
  readonly place: (call: number, name: string, value: RunTensor) => Place;
}

/** Errors at the end of every part. */
export class CurveErrors {
  readonly #parts: readonly ModelPart[];
  readonly #run: CurveRun;
  readonly #errors: readonly Map<Curve, BlockErrors>[];

  constructor(parts: readonly ModelPart[], run: CurveRun) {
    this.#parts = parts;
    this.#run = run;
    this.#errors = parts.map(() => new Map());
  }

  finish(): ErrorCurve['blocks'] {
    return this.#parts.flatMap((part, index) => {
      const of = (which: Curve): BlockMetrics | undefined => this.#errors[index]?.get(which)?.finish();
      const [local, accumulated] = [of('local'), of('accumulated')];
      if (local === undefined || accumulated === undefined) return [];
      const [rewrite, implementation] = [of('rewrite'), of('implementation')];
      const { nodes, weightBytes } = part;
      const name = blockName(this.#parts, index);
      const value = this.#ends(index)[0] ?? '';
      return [
        {
          name,
          value,
          nodes,
          weightBytes,
          local,
          accumulated,
          ...(rewrite === undefined ? {} : { rewrite }),
          ...(implementation === undefined ? {} : { implementation }),
        },
      ];
    });
  }

  add(which: Curve, part: number, call: number, reference: PartOutputs, other: PartOutputs): void {
    const all = this.#errors[part];
    const errors = all?.get(which) ?? new BlockErrors();
    all?.set(which, errors);
    for (const name of this.#ends(part)) {
      const [wanted, found] = [reference.get(name), other.get(name)];
      if (wanted === undefined || found === undefined || !isFloat(wanted.dtype)) continue;
      const where = `${name} of ${this.#run.component}, ${blockName(this.#parts, part)}`;
      errors.add(where, wanted, found, this.#run.place(call, name, wanted));
    }
  }

  /** What a part hands on; the last one gives the component's own outputs, of which the cache is not its end. */
  #ends(part: number): readonly string[] {
    const { crossing = [], outputs = [] } = this.#parts[part] ?? {};
    if (crossing.length > 0) return crossing;
    const caches = new Set(this.#run.cache.values());
    return outputs.filter((name) => !caches.has(name));
  }
}
