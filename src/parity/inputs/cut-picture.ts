/** A picture cut into equal pieces, row by row. Layout: [height, width, 3]. */
import type { Size } from '../../architectures/media.ts';
import type { Picture } from './picture.ts';

/** `size`: of a piece; what the pieces do not fill is left out. */
export function cutPicture(
  picture: Picture,
  grid: { readonly rows: number; readonly columns: number },
  size: Size,
): readonly Picture[] {
  return Array.from({ length: grid.rows * grid.columns }, (_, index): Picture => {
    const left = (index % grid.columns) * size.width;
    const top = Math.floor(index / grid.columns) * size.height;
    const own = new Uint8Array(size.width * size.height * 3);
    for (let row = 0; row < size.height; row += 1) {
      const from = ((top + row) * picture.width + left) * 3;
      own.set(picture.rgb.subarray(from, from + size.width * 3), row * size.width * 3);
    }
    return { width: size.width, height: size.height, rgb: own };
  });
}
