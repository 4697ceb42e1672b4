/** Joins what is declared about a value with what was inferred. */
import type { Dim, ValueType } from '../types.ts';

/** Which of two dimensions holds that are not both numbers; both are known, and differ. */
export type Prefer = (declared: string, inferred: string) => string;

const declaredOne: Prefer = (declared) => declared;

/**
 * A type at least as certain as both, declared symbols kept unless `prefer` says otherwise; undefined when they
 * contradict each other (element types, ranks, static dimensions).
 */
export function mergeTypes(
  declared: ValueType,
  inferred: ValueType,
  prefer: Prefer = declaredOne,
): ValueType | undefined {
  switch (declared.kind) {
    case 'sequence':
    case 'optional': {
      if (inferred.kind !== declared.kind) return undefined;
      const element = mergeTypes(declared.element, inferred.element);
      return element && { kind: declared.kind, element };
    }
    case 'map': {
      if (inferred.kind !== 'map' || inferred.key !== declared.key) return undefined;
      const value = mergeTypes(declared.value, inferred.value);
      return value && { kind: 'map', key: declared.key, value };
    }
    default: {
      if (inferred.kind !== declared.kind || inferred.dtype !== declared.dtype) return undefined;
      if (inferred.shape === undefined) return declared;
      if (declared.shape === undefined) return inferred;
      if (inferred.shape.length !== declared.shape.length) return undefined;
      const shape: Dim[] = [];
      for (const [axis, dim] of declared.shape.entries()) {
        const other = inferred.shape[axis] ?? null;
        if (typeof dim === 'number' && typeof other === 'number' && dim !== other) return undefined;
        const both = typeof dim === 'string' && typeof other === 'string';
        shape.push(both ? prefer(dim, other) : dim === null || typeof other === 'number' ? other : dim);
      }
      return shape.every((dim, axis) => dim === declared.shape?.[axis]) ? declared : { ...declared, shape };
    }
  }
}
