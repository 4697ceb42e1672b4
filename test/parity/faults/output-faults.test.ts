/**
 * Faults of the output alone, the same in families of every kind: each fails, and one finding says what it is, in which
 * block and where; nothing else.
 */
import { describe, expect, it } from 'vitest';
import { findingText } from '../../../src/parity/report/finding.ts';
import { goldenCase } from '../../support/golden-cases.ts';
import { type Family, faultsAnywhere, faultsOfPlaces } from './known-faults.ts';
import { check, nodeOf } from './plant.ts';

const families: readonly Family[] = [
  {
    golden: goldenCase('llava/hf-tiny'),
    encoder: 'vision',
    layers: ['block.0', 'block.1'],
    features: { rows: 16, row: 9, place: 'global view, token 9' },
  },
  {
    golden: goldenCase('monkey/tiny-896'),
    // Three columns and two rows of tiles, and the whole picture, take a while; layers and decoder are as in others.
    slow: true,
    resolution: { width: 1344, height: 896 },
    encoder: 'vision',
    layers: ['block.0', 'block.1'],
    features: { rows: 7 * 16, row: 3 * 16 + 9, place: 'tile row 1 column 0, token 9' },
    views: {
      cut: (model) => nodeOf(model, 'views', 'Concat').output,
      axis: 1,
      order: [0, 4, 2, 3, 1, 5, 6],
      places: ['tile row 0 column 1', 'tile row 1 column 1'],
      inFeatures: true,
    },
    ofOneView: { weight: /resblocks\.1\..*@view1\.values$/, place: 'tile row 0 column 1' },
  },
  {
    // Windows across tiles, and the tokens that are unlike the others.
    golden: goldenCase('textmonkey/resized-896'),
    slow: true,
    encoder: 'vision',
    layers: ['block.0', 'block.1'],
    features: { rows: 286, row: 9, place: 'token 9' },
    views: {
      cut: (model) => nodeOf(model, 'views', 'Concat').output,
      axis: 1,
      order: [0, 2, 1, 3, 4],
      places: ['tile row 0 column 1', 'tile row 1 column 0'],
      inFeatures: false,
    },
  },
  {
    // Sounds.
    golden: goldenCase('qwen2-audio/tiny'),
    encoder: 'audio_encoder',
    layers: ['layer.0', 'layer.1'],
    features: { rows: 50, row: 9, place: 'sound 0, frame 9 (0.36 s)' },
  },
  {
    // Pictures that are drawn, too.
    golden: goldenCase('janus/tiny-hf'),
    encoder: 'vision',
    layers: ['block.0', 'block.1'],
    features: { rows: 36, row: 9, place: 'global view, token 9' },
  },
  {
    // Tiles at several scales, joined: one, four, and two rows of three or more.
    golden: goldenCase('vila/nvila-dynamic_s2'),
    resolution: { width: 168, height: 112 },
    encoder: 'vision',
    layers: ['block.0', 'block.1'],
    features: { rows: 48, row: 9, place: 'global view, token 9' },
    views: {
      cut: (model) => model.graph.inputs[0],
      axis: 0,
      order: [0, 1, 4, 3, 2, ...Array.from({ length: 12 }, (_, at) => 5 + at)],
      places: ['scale 1, tile row 0 column 1', 'scale 1, tile row 1 column 1'],
      inFeatures: false,
    },
  },
];

const planted = families.flatMap((family) =>
  Object.entries({ ...(family.slow === true ? {} : faultsAnywhere(family)), ...faultsOfPlaces(family) }).map(
    ([name, fault]) => ({ name: `${name} in ${family.golden.name}`, family, fault }),
  ),
);

describe('a report blames', () => {
  it.each(planted)(
    '$name, and nothing else',
    async ({ family: { golden, resolution }, fault }) => {
      const { precision, component, plant, block, finding, text } = fault;
      const report = await check({
        golden,
        options: { precision, ...(resolution === undefined ? {} : { resolution }) },
        change: async (id, { converted }) => {
          if (id === component) await plant(converted);
        },
      });
      if (process.env.SHOW) console.log(report.findings, report.findings.map(findingText));
      expect(report.passed).toBe(false);
      expect(report.findings).toHaveLength(1);
      expect(report.findings[0]).toMatchObject({
        level: 'implementation',
        component,
        otherBlocks: 0,
        ...(block === undefined ? {} : { block: { name: block } }),
        ...finding,
      });
      const [found] = report.findings;
      expect(found && findingText(found)).toMatch(text);
    },
    60_000,
  );
});
