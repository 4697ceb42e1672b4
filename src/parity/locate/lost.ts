/**
 * Where the output gives what is not finite though each of its blocks is right on what the original has there: it runs
 * once more, fed with what its own blocks made before, up to the first block that the curve says is lost.
 */
import { placeOf } from '../../tensor/dtype.ts';
import { cacheNames } from '../components.ts';
import { locateNonFinite, type NonFinite } from '../ranges/locate.ts';
import type { Finding } from '../report/finding.ts';
import type { ModelPart } from '../stream/parts.ts';
import type { LocateRequest } from './locate.ts';
import { openPart, type Place, replay } from './replay.ts';

/** `parts` are the output's. Undefined where all is finite when the component itself is fed with the original's values. */
export async function lostIn(
  component: string,
  parts: readonly ModelPart[],
  place: Place,
  request: LocateRequest,
): Promise<Pick<Finding, 'kind' | 'block' | 'node' | 'detail'> | undefined> {
  const { recipe, devices, signal, report } = request;
  const { blocks = [] } = report.curves?.find((curve) => curve.component === component) ?? {};
  const index = blocks.findIndex(({ accumulated }) => accumulated.nonFinite > 0);
  const [name, model, calls] = [blocks[index]?.name, parts[index]?.model, request.calls.get(component)];
  if (name === undefined || model === undefined || calls === undefined) return undefined;
  const runs = await replay({
    parts: parts.slice(0, index + 1),
    calls,
    cache: new Map(component === recipe.decoder.component ? cacheNames(recipe.decoder.layers) : []),
    device: devices.converted,
    place,
    signal,
  });
  const side = { build: 'converted', device: devices.converted, model };
  for (const { feeds } of runs) {
    const found = await locateNonFinite(model, feeds, (one) => openPart(place, side, one));
    if (found === undefined) continue;
    const { value, node, operator } = found;
    const type = model.graph.value(value)?.type;
    const isHalf = type?.kind === 'tensor' && type.dtype === 'float16';
    return {
      kind: isHalf ? 'overflow' : 'operator',
      block: { index, name },
      node: { name: node, operator, value },
      detail: lostText(found),
    };
  }
  return undefined;
}

function lostText({ count, elements, shape, index }: NonFinite): string {
  return `${count} of ${elements} elements are not finite, the first at ${placeOf(shape, index)}`;
}
