/**
 * Puts written bytes on the disk while more are computed. Left alone, the kernel begins when a tenth of the memory
 * is dirty (2 GiB and more), and the disk would stand idle until the end.
 */
import { fdatasync } from 'node:fs';

/** Of one file, between two calls: the disk has always something to do, and no call waits for long. */
const stepBytes = 64 << 20;

export class WriteBack {
  readonly #files = new Map<number, { bytes: number; running: Promise<void> | undefined }>();
  #failure: unknown;

  /** Bytes were written to a descriptor. Throws what an earlier call failed with. */
  wrote(descriptor: number, bytes: number): void {
    if (this.#failure !== undefined) throw this.#failure;
    const file = this.#files.get(descriptor) ?? { bytes: 0, running: undefined };
    this.#files.set(descriptor, file);
    file.bytes += bytes;
    if (file.bytes < stepBytes || file.running !== undefined) return;
    file.bytes = 0;
    file.running = new Promise<void>((resolve) => {
      fdatasync(descriptor, (error) => {
        this.#failure ??= error ?? undefined;
        file.running = undefined;
        resolve();
      });
    });
  }

  /** Waits for what is under way. */
  async settled(): Promise<void> {
    await Promise.all([...this.#files.values()].map(({ running }) => running));
  }
}
