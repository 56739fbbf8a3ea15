import type { CredentialCommand } from '@holdfast/core';
import { z } from 'zod';
import { bandwidth, type DeclaredBandwidth, toRatePlan } from '../config/bandwidth.ts';
import { durationMs } from '../config/duration.ts';
import { choice, duration, flag, group, text } from '../config/fields.ts';
import { isSecretName } from '../config/placeholders.ts';
import type { DestinationPlace } from '../open.ts';

const argumentsMax = 100;

const command = z
  .array(
    text({ help: 'the program, or an argument', expected: 'a text', hidden: true, check: argumentProblem }),
    { error: 'expected a list: the program and its arguments, such as [/usr/local/bin/keys, backup]' },
  )
  .min(1, { error: 'is empty: expected the program and its arguments' })
  .max(argumentsMax, { error: `expected at most ${argumentsMax} arguments` })
  .superRefine(([program], context) => {
    const problem = program === undefined ? undefined : programProblem(program);
    if (problem !== undefined) context.addIssue({ code: 'custom', path: [0], message: problem });
  })
  .meta({
    title: 'list',
    description:
      'the program, by its path from the root or by a name that is found on PATH, and its arguments; no shell',
  });

/** Arguments are for everybody to read, in what is declared and in the list of processes. */
function argumentProblem(value: string): string | undefined {
  if (value.includes('\0')) return 'holds a NUL character';
  if (value.includes('${'))
    return 'expected an argument without placeholders: nothing is filled in here; let the program find its secret itself';
  const name = /^-{0,2}([\w-]+)=./.exec(value)?.[1];
  return name !== undefined && isSecretName(name)
    ? 'holds a secret, which everybody on the machine can read in the list of processes: let the program find it itself'
    : undefined;
}

function programProblem(program: string): string | undefined {
  if (program.startsWith('/') || !/[/~]/.test(program)) return undefined;
  return 'expected the path of a program from the root, or the name of one on PATH: nodes work in different folders';
}

const credentials = group(
  {
    command,
    timeout: duration({ least: '1s', most: '5m' }, 'how long it may take').default('10s'),
  },
  'A program that prints credentials as JSON; see credentials.md',
);

/** What all destinations can say, whatever their type; `credentials` where there is somebody to let in. */
export function commonDestinationFields(o: { readonly takesCredentials: boolean }): z.ZodRawShape {
  return {
    disabled: flag('nothing new is pushed there; what is there stays').exactOptional(),
    ...(o.takesCredentials && { credentials: credentials.exactOptional() }),
    bandwidth: bandwidth(
      'how fast each run writes to it and reads from it; as fast as it goes, if it is left out',
    ).exactOptional(),
    verify: choice(
      ['sample', 'full'],
      'how what was stored is compared with what was sent: by the checksum that the place keeps, else by pieces that are read back (sample, which is the default), or by reading all of it back (full)',
    ).exactOptional(),
  };
}

interface CommonDestination {
  readonly credentials?: { readonly command: readonly string[]; readonly timeout: string };
  readonly bandwidth?: DeclaredBandwidth;
  readonly verify?: 'sample' | 'full';
}

/** What is declared of a destination beside its URL. */
export function placeFields(declared: Readonly<Record<string, unknown>>): Omit<DestinationPlace, 'url'> {
  const { credentials: given, bandwidth: rate, verify } = declared as CommonDestination;
  return {
    ...(given && { credentials: toCommand(given) }),
    ...(rate !== undefined && { rate: toRatePlan(rate) }),
    ...(verify !== undefined && { verify }),
  };
}

function toCommand(given: NonNullable<CommonDestination['credentials']>): CredentialCommand {
  return { command: given.command, timeoutMs: durationMs(given.timeout) ?? Number.NaN };
}

/** The fields that are the driver's own. */
export function driverFields(declared: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { type: _, disabled: __, credentials: ___, bandwidth: ____, verify: _____, ...own } = declared;
  return own;
}
