/**
 * Element types of the kernels. AssemblyScript has no 16-bit floats; two integer types of that width stand for
 * them, so that one generic body serves all three and `isFloat<T>()`, `isSigned<T>()` choose at compile time.
 */

/** bfloat16: the upper half of a float32. */
export type Bf16 = i16;

/** IEEE 754 float16. */
export type F16 = u16;

/** Lanes of f32 bit patterns that the kernels compare with. */
export const infinityBits: i32 = 0x7f800000;
export const magnitudeBits: i32 = 0x7fffffff;
