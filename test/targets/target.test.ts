import { describe, expect, it } from 'vitest';
import { optionTable } from '../../src/cli/options.ts';
import { allTargets, findTarget, targets, targetsOf } from '../../src/targets/registry.ts';
import { noKernel, type Target } from '../../src/targets/target.ts';

const target = (id: string): Target => {
  const found = findTarget(id);
  if (found === undefined) throw new Error(`no target ${id}`);
  return found;
};

function ask(id: string, operator: string, opset = 20, dtype = 'float32'): string | undefined {
  return noKernel([target(id)], operator, { opset, dtype });
}

it('knows each target by its id', () => {
  expect(allTargets.map(({ id }) => id)).toEqual(['cpu', 'webgpu', 'wasm', 'cuda', 'tensorrt', 'generic']);
  expect(targets.map(({ id }) => id)).toEqual(['cpu', 'webgpu']);
  expect(findTarget('CPU')).toBeUndefined();
});

describe('kernels', () => {
  it('names the first target that has none', () => {
    const question = { opset: 20, dtype: 'float32' };
    expect(noKernel(targets, 'LayerNormalization', question)).toBeUndefined();
    expect(noKernel(targets, 'com.microsoft::BiasGelu', question)).toBeUndefined();
    expect(noKernel(targets, 'com.microsoft::FusedMatMul', question)).toBe(
      'com.microsoft::FusedMatMul on webgpu: no kernel',
    );
    expect(noKernel([], 'com.microsoft::FusedMatMul', question)).toBeUndefined();
  });

  it('holds the operator set of the model against the operator', () => {
    expect(ask('cpu', 'Gelu', 19)).toMatch('the model has operator set 19, not 20');
    expect(ask('cpu', 'RMSNormalization', 22)).toMatch('operator set 22, not 23');
    expect(ask('cpu', 'RMSNormalization', 23)).toBeUndefined();
    expect(ask('webgpu', 'RMSNormalization', 23)).toBeUndefined();
    expect(ask('webgpu', 'Attention', 23)).toMatch('no kernel');
    expect(ask('cpu', 'Nonsense')).toMatch('no such operator');
  });

  it('takes kernels as onnxruntime does: one with an open end serves its own version only', () => {
    expect(ask('webgpu', 'MaxPool', 20)).toBeUndefined();
    expect(ask('webgpu', 'MaxPool', 22)).toMatch('as of version 22');
    expect(ask('webgpu', 'Conv', 22)).toBeUndefined();
    // The table of CUDA lists the newest versions; Cast is newer than operator set 20 there.
    expect(ask('cuda', 'Cast', 20)).toBeUndefined();
    expect(ask('cuda', 'Cast', 25)).toMatch('as of version 25');
  });

  it('asks for the element type of the first input', () => {
    expect(ask('cpu', 'com.microsoft::BiasGelu', 20, 'float16')).toBeUndefined();
    expect(ask('cpu', 'com.microsoft::BiasGelu', 20, 'float64')).toMatch('no kernel for float64');
    expect(ask('cuda', 'com.microsoft::GroupQueryAttention', 20, 'float32')).toMatch('no kernel for float32');
    expect(ask('cuda', 'com.microsoft::GroupQueryAttention', 20, 'bfloat16')).toBeUndefined();
    expect(ask('webgpu', 'Gelu', 20, 'float16')).toBeUndefined();
    expect(ask('webgpu', 'Gelu', 20, 'float64')).toMatch('no float64');
  });

  it('leaves generic the operators of ai.onnx that the operator set has', () => {
    expect(ask('generic', 'Gelu', 20)).toBeUndefined();
    expect(ask('generic', 'Attention', 20)).toMatch('operator set 20, not 23');
    expect(ask('generic', 'Attention', 23)).toBeUndefined();
    expect(ask('generic', 'com.microsoft::MultiHeadAttention')).toMatch('not an operator of ai.onnx');
    expect(ask('generic', 'SimplifiedLayerNormalization')).toMatch("onnxruntime's own");
  });

  it('leaves TensorRT what its parser takes', () => {
    expect(ask('tensorrt', 'LayerNormalization')).toBeUndefined();
    expect(ask('tensorrt', 'com.microsoft::QuickGelu')).toMatch('no kernel');
    expect(ask('tensorrt', 'Gelu', 20, 'float64')).toMatch('no float64');
  });
});

it('takes ids of targets, each once, and refuses others', () => {
  expect(targetsOf(['webgpu', 'generic', 'webgpu']).map(({ id }) => id)).toEqual(['webgpu', 'generic']);
  expect(() => targetsOf(['cpu', 'webgp'])).toThrow(/VC4405[\s\S]*did you mean "webgpu"/);
});

it('is offered by its id on the command line', () => {
  const spec = optionTable.find(({ key }) => key === 'target');
  expect(spec?.type.kind === 'component-choices' && [...spec.type.values].sort()).toEqual(
    allTargets.map(({ id }) => id).sort(),
  );
});
