import { it } from 'vitest';
import { randomWeight } from '../../support/run-model.ts';
import { type Example, folded, type Make } from './folded.ts';

const einsum =
  (equation: string, ...weight: readonly number[]): Make =>
  (b, x) =>
    b.op(
      'Einsum',
      [x, weight.length === 0 ? b.op('Neg', [x]) : b.weight('w', randomWeight('w', weight, 3))],
      {
        attributes: { equation },
      },
    );

const limit = 1e-6;
const four = ['n', 2, 'm', 6];
const cases: Readonly<Record<string, Example>> = {
  'scores of attention': {
    shape: four,
    make: einsum('bhqd, bhkd -> bhqk'),
    left: ['Neg', 'Transpose', 'MatMul'],
    limit,
  },
  'scores with heads behind positions': {
    shape: ['n', 'm', 2, 6],
    make: einsum('bqhd,bkhd->bhqk'),
    left: ['Neg', 'Transpose', 'Transpose', 'MatMul'],
    limit,
  },
  'a result in another order': {
    shape: four,
    make: einsum('bhqd,bhkd->bkqh'),
    left: ['Neg', 'Transpose', 'MatMul', 'Transpose'],
    limit,
  },
  'a projection to heads': {
    shape: ['n', 'm', 6],
    make: einsum('bsd,dhe->bshe', 6, 2, 5),
    left: ['MatMul', 'Reshape'],
    limit,
  },
  'a projection of heads': {
    shape: ['n', 'm', 2, 3],
    make: einsum('bshe,hed->bsd', 2, 3, 5),
    left: ['Reshape', 'MatMul'],
    limit,
  },
  'a projection of heads that are stored behind': {
    shape: ['n', 'm', 2, 3],
    make: einsum('bshe,dhe->bsd', 5, 2, 3),
    left: ['Reshape', 'MatMul'],
    limit,
  },
  'an outer product stays': { shape: ['n', 6], make: einsum('ni,nj->nij'), left: ['Neg', 'Einsum'] },
  'batches of both, one of them repeated': {
    shape: ['n', 2, 3, 6],
    make: einsum('bhwc,bkhc->bhwk', 1, 4, 2, 6),
    left: ['MatMul'],
    limit,
  },
  'rows of several letters beside batches stay': {
    shape: ['n', 2, 3, 6],
    make: einsum('bhwc,hkc->bhwk', 2, 4, 6),
    left: ['Einsum'],
  },
  'sums over what is repeated stay': {
    shape: ['n', 'm', 'k', 6],
    make: einsum('bhqd,bhkd->bhqk', 1, 1, 5, 1),
    left: ['Einsum'],
  },
  'a diagonal stays': { shape: ['n', 4, 4], make: einsum('nii,nij->nij'), left: ['Neg', 'Einsum'] },
};

it.each(Object.entries(cases))('%s', async (_, each) => {
  await folded(each);
});
