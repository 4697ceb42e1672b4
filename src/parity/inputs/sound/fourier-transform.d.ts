/** What is used of the package, which has no types of its own. */
declare module 'fourier-transform' {
  /** In place; the length is a power of two. */
  export function cfft(re: Float64Array, im: Float64Array): void;
  /** In place, divided by the length. */
  export function cifft(re: Float64Array, im: Float64Array): void;
}
