import { describe, expect, it } from 'vitest';
import { PlacementLog, placementLine } from '../../src/parity/placement.ts';

const gpu = 'WebGpuExecutionProvider';
const cpu = 'CPUExecutionProvider';
const node = (name: string, operator: string, provider: string) => ({ node: name, operator, provider });

describe('PlacementLog', () => {
  it('sums parts of a component, references first, and lists what fell back', () => {
    const log = new PlacementLog();
    log.record('vision', 'converted', [node('a', 'MatMul', gpu), node('s', 'Shape', cpu)]);
    log.record('vision', 'reference', [node('a', 'MatMul', cpu)]);
    log.record('vision', 'converted', [
      node('b', 'MatMul', gpu),
      node('c', 'MemcpyFromHost', gpu),
      // Computed anew by this part: one node of the model all the same.
      node('s', 'Shape', cpu),
      node('d', 'Add', gpu),
    ]);
    const [reference, converted] = log.finish(['embed', 'vision'], (build) =>
      build === 'reference' ? 'cpu' : 'webgpu',
    );
    expect(reference).toEqual({
      component: 'vision',
      build: 'reference',
      device: 'cpu',
      proven: true,
      providers: [{ provider: cpu, nodes: 1, operators: { MatMul: 1 } }],
      fellBack: [],
    });
    expect(converted).toEqual({
      component: 'vision',
      build: 'converted',
      device: 'webgpu',
      proven: true,
      providers: [
        // A copy is none of the model's nodes.
        { provider: gpu, nodes: 3, operators: { MatMul: 2, Add: 1, MemcpyFromHost: 1 } },
        { provider: cpu, nodes: 1, operators: { Shape: 1 } },
      ],
      fellBack: [{ node: 's', operator: 'Shape' }],
    });
    expect(converted && placementLine(converted)).toBe(
      `vision, converted: 3 of 4 nodes ran on ${gpu}; not: Shape`,
    );
    expect(reference && placementLine(reference)).toBe(`vision, reference: 1 of 1 nodes ran on ${cpu}`);
  });

  it('claims nothing where a part has no record', () => {
    const log = new PlacementLog();
    log.record('decoder', 'converted', [node('a', 'MatMul', gpu)]);
    log.record('decoder', 'converted', undefined);
    const [decoder] = log.finish(['decoder'], () => 'webgpu');
    expect(decoder?.proven).toBe(false);
    expect(decoder && placementLine(decoder)).toBe(
      'decoder, converted: not known, onnxruntime left no record',
    );
  });
});
