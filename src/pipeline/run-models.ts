/** The graphs of an output folder, each opened when it is first needed. */
import { join } from 'node:path';
import { output, pictureFeatures, type SamplePicture } from '../parity/index.ts';
import { fail } from '../report/diagnostics.ts';
import { type Device, openSession, type Session } from '../runtime/session.ts';
import type { RunTensor } from '../runtime/values.ts';
import type { Generation } from './generation.ts';

export class RunModels {
  readonly #folder: string;
  readonly #generation: Generation;
  readonly #device: Device;
  readonly #open: Session[] = [];

  constructor(folder: string, generation: Generation, device: Device) {
    this.#folder = folder;
    this.#generation = generation;
    this.#device = device;
  }

  /** Features of each picture; the tower is not held longer than it runs. */
  async features(pictures: readonly SamplePicture[], signal: AbortSignal): Promise<readonly RunTensor[]> {
    const { encoder } = this.#generation.recipe;
    if (encoder === undefined || pictures.length === 0) return [];
    return await this.once(encoder.component, (session) =>
      pictureFeatures(pictures, encoder, async (feeds) => {
        signal.throwIfAborted();
        return output(await session.run(feeds), encoder.output);
      }),
    );
  }

  /** Opens a component for as long as the body runs. */
  async once<T>(component: string, body: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.open(component);
    const made = await body(session);
    this.#open.splice(this.#open.indexOf(session), 1);
    await session.release();
    return made;
  }

  /** Throws VC6101 where the folder has no such component, VC6001 to VC6003 from the runtime. */
  async open(component: string): Promise<Session> {
    const path = this.#generation.components[component];
    if (path === undefined) {
      throw fail('VC6101', {
        where: this.#folder,
        found: Object.keys(this.#generation.components).join(', '),
        expected: `a component ${component}`,
      });
    }
    const session = await openSession(join(this.#folder, path), { device: this.#device });
    this.#open.push(session);
    return session;
  }

  /** Closes what is open. */
  async release(): Promise<void> {
    for (const session of this.#open.splice(0)) await session.release();
  }
}
