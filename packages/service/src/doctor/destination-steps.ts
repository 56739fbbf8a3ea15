import { type Clock, type Destination, HoldfastError, type ObjectInfo, type Sig } from '@holdfast/core';
import type { StepOutcome } from './doctor-finding.ts';
import { freeSpaceOf } from './free-space.ts';
import { Scratch, ScratchBody } from './scratch.ts';

export interface StepTools extends Sig {
  readonly clock: Clock;
}

/** One thing that a destination has to do, or may do. */
export interface DestinationStep {
  readonly check: string;
  run(o: StepTools): Promise<StepOutcome | undefined>;
  /** It wants to read: what cannot be done by whoever may not. */
  readonly withoutReading?: string;
  /** What cannot be done by whoever is refused this; elsewhere a refusal is an error. */
  readonly ifRefused?: string;
}

const smallBytes = 1024;
const largeBytes = 8 * 1024 * 1024;
const brokenBytes = 256 * 1024;

/** The promises of a destination, as a user may see them kept; each step builds on those before it. */
export class DestinationSteps {
  readonly scratch: Scratch;
  readonly #destination: Destination;
  readonly #small = new ScratchBody(smallBytes);

  constructor(destination: Destination) {
    this.#destination = destination;
    this.scratch = new Scratch(destination);
  }

  get all(): readonly DestinationStep[] {
    const noVerify = 'what is stored cannot be verified, checked or restored with these credentials';
    const noList =
      'backups cannot be found again with these credentials: every one is a full one, and nothing is listed, checked, restored or removed';
    return [
      { check: 'store an object', run: (o) => this.#store(o) },
      { check: 'refuse to overwrite it', run: (o) => this.#refuse(o) },
      { check: 'look at it', run: (o) => this.#look(o), withoutReading: noVerify, ifRefused: noVerify },
      { check: 'read it back', run: (o) => this.#readBack(o), withoutReading: noVerify, ifRefused: noVerify },
      {
        check: 'read a range of it',
        run: (o) => this.#readRange(o),
        withoutReading: noVerify,
        ifRefused: noVerify,
      },
      { check: 'list it', run: (o) => this.#list(o), withoutReading: noList, ifRefused: noList },
      { check: 'store 8 MiB', run: (o) => this.#storeLarge(o) },
      { check: 'break off a write', run: (o) => this.#breakOff(o) },
      { check: 'store for quick reading', run: (o) => this.#storeHot(o) },
      {
        check: 'delete it',
        run: (o) => this.#delete(o),
        ifRefused:
          'retention cannot be done like this, and what a failed run has stored stays until it is removed in another way',
      },
      { check: 'cold storage', run: async () => this.#cold() },
      { check: 'free space', run: async () => freeSpaceOf(this.#destination) },
    ];
  }

  get #mayRead(): boolean {
    return this.#destination.features.writeOnly !== true;
  }

  async #store({ signal }: StepTools): Promise<string> {
    await this.scratch.write('small', this.#small, { signal, ifAbsent: true });
    return `1 KB, as ${this.scratch.keyOf('small')}`;
  }

  async #refuse({ signal }: StepTools): Promise<StepOutcome> {
    try {
      await this.scratch.write('small', this.#small, { signal, ifAbsent: true });
    } catch (caught) {
      if (HoldfastError.from(caught).code !== 'conflict') throw caught;
      return this.#destination.features.conditionalWrite
        ? 'refused by the place itself, also to writers on other machines'
        : 'refused by Holdfast, which looks before it writes: this place has no conditional writes, so let no other cluster write below this prefix';
    }
    // Whoever may not look cannot refuse what the place itself does not.
    if (!this.#mayRead) {
      return {
        warning:
          'written again: the place has no conditional writes, and these credentials may not look whether an object is there',
        hint: 'let no other cluster write below this prefix',
      };
    }
    throw new HoldfastError('precondition_failed', 'an object that was there was written again', {
      hint: 'two writers could overwrite one another here: do not let two machines write to it',
    });
  }

  async #look(o: StepTools): Promise<string> {
    const info = await this.#found('small', o);
    if (info?.bytes !== smallBytes) {
      const got = info ? `${info.bytes} bytes` : 'no object';
      throw new HoldfastError('corrupt', `${smallBytes} bytes were stored, and ${got} are there`);
    }
    return `there, with its size${info.storageClass === undefined ? '' : `, of class ${info.storageClass}`}`;
  }

  async #readBack(o: StepTools): Promise<StepOutcome> {
    if (await this.#isCold('small', o)) return asleep;
    const read = this.#destination.read(this.scratch.keyOf('small'), { signal: o.signal });
    if (await this.#small.matches(read)) return `${smallBytes} bytes, the same as written`;
    throw new HoldfastError('corrupt', 'the object that was read is not the one that was written');
  }

  async #readRange(o: StepTools): Promise<StepOutcome> {
    if (await this.#isCold('small', o)) return asleep;
    const range = { start: 100, length: 300 };
    const read = this.#destination.read(this.scratch.keyOf('small'), { signal: o.signal, range });
    if (!(await this.#small.matches(read, range)))
      throw new HoldfastError('corrupt', 'the range that was read is not what was written there');
    return this.#destination.features.rangedRead
      ? `${range.length} bytes, the same as written`
      : 'the place reads whole objects only: what is not wanted is read and dropped, which takes time in restores of single tables';
  }

  async #list({ signal }: StepTools): Promise<string> {
    const key = this.scratch.keyOf('small');
    for await (const info of this.#destination.list(`${this.scratch.prefix}/`, { signal })) {
      if (info.key !== key) continue;
      if (info.bytes === smallBytes) return 'listed with its size';
      throw new HoldfastError('corrupt', `${smallBytes} bytes were stored, and ${info.bytes} are listed`);
    }
    throw new HoldfastError('precondition_failed', 'an object that was stored is not listed', {
      hint: 'the credentials need the right to list as well as to read and write',
    });
  }

  async #storeLarge({ signal, clock }: StepTools): Promise<string> {
    const body = new ScratchBody(largeBytes);
    const startedMs = clock.elapsed();
    await this.scratch.write('large', body, { signal });
    const seconds = Math.max(clock.elapsed() - startedMs, 1) / 1000;
    const rate = largeBytes / 1024 / 1024 / seconds;
    return `${seconds.toFixed(2)} s, ${rate >= 10 ? rate.toFixed(0) : rate.toFixed(2)} MiB/s of a single write; a backup makes several at once`;
  }

  async #breakOff(o: StepTools): Promise<string> {
    const body = new ScratchBody(brokenBytes);
    const ways = this.#destination.features.resumableWrite ? [false, true] : [false];
    for (const resumable of ways) {
      const name = resumable ? 'broken-resumable' : 'broken';
      const refused = await this.scratch.breakOff(name, body, { signal: o.signal, resumable });
      if (refused && (!this.#mayRead || !(await this.#found(name, o)))) continue;
      throw new HoldfastError('corrupt', 'half an object was taken for a whole one');
    }
    return ways.length === 2
      ? 'nothing is seen of it; one that is to be gone on with goes on where it broke off'
      : 'nothing stays of it; it begins anew';
  }

  async #storeHot(o: StepTools): Promise<string> {
    await this.scratch.write('hot', new ScratchBody(smallBytes), { signal: o.signal, hot: true });
    if (!this.#mayRead) return 'stored';
    const { access, storageClass } = (await this.#found('hot', o)) ?? {};
    if (access === undefined)
      return `manifests can be read at once${storageClass === undefined ? '' : ` (class ${storageClass})`}`;
    throw new HoldfastError('precondition_failed', `what must be readable at once is ${access}`, {
      hint: 'a rule of the place moves new objects to cold storage: exempt what Holdfast stores',
    });
  }

  async #delete(o: StepTools): Promise<string> {
    await this.scratch.deleteAll(o);
    if (!this.#mayRead) return 'deleted again, as far as can be seen without reading';
    if (await this.#found('small', o))
      throw new HoldfastError('precondition_failed', 'an object that was deleted is still there', {
        hint: 'a lock or a retention rule of the place keeps it',
      });
    return 'deleted again';
  }

  #cold(): string | undefined {
    const { cold } = this.#destination;
    if (!cold || cold.ways.length === 0) return undefined;
    const ways = cold.ways.map(({ storageClass, tier, wait }) => `${storageClass} ${tier} (${wait})`);
    return `what lies in these classes has to be thawed before a restore, with --thaw: ${ways.join(', ')}`;
  }

  #found(name: string, { signal }: Sig): Promise<ObjectInfo | undefined> {
    return this.#destination.stat(this.scratch.keyOf(name), { signal });
  }

  async #isCold(name: string, o: Sig): Promise<boolean> {
    const access = (await this.#found(name, o))?.access;
    return access === 'cold' || access === 'thawing';
  }
}

const asleep = 'not tried: what is stored goes to cold storage, and has to be thawed before it is read';
