import { type Clock, type Destination, deadline, HoldfastError, type Sig } from '@holdfast/core';
import { type DestinationStep, DestinationSteps, type StepTools } from './destination-steps.ts';
import { type DoctorFinding, failedFinding, findingOf, type StepOutcome } from './doctor-finding.ts';

/** A step that takes longer is told as what it is: such a place is of no use. */
const stepMaxMs = 180_000;

/**
 * Sees for itself that a destination keeps its promises, on objects of its own, which it removes. What the credentials
 * may not do is a warning that says what then cannot be done; another failure ends the list.
 *
 * @throws HoldfastError cancelled when it is stopped, naming what could not be removed
 */
export async function diagnoseDestination(
  destination: Destination,
  o: Sig & { readonly clock: Clock },
): Promise<readonly DoctorFinding[]> {
  const findings: DoctorFinding[] = [];
  const steps = new DestinationSteps(destination);
  let left: readonly string[] = [];
  try {
    if (await prepared(destination, o, findings)) {
      for (const step of steps.all) if (!(await taken(step, destination, { ...o, findings }))) break;
    }
  } finally {
    left = await steps.scratch.cleanUp(o.clock);
  }
  if (o.signal.aborted) throw stopped(o.signal, destination, left);
  if (left.length > 0) findings.push(leftOver(destination, left));
  return findings;
}

async function prepared(destination: Destination, o: StepTools, findings: DoctorFinding[]): Promise<boolean> {
  const check = 'writable';
  const outcome = await timed(check, o, async (tools) => {
    for (const warning of await destination.prepare({ signal: tools.signal }))
      findings.push(findingOf(check, { warning }));
    const { repositoryId, description } = destination;
    const which = repositoryId === undefined ? '' : `; it is repository ${repositoryId}`;
    return `${description} is there and takes writes${which}`;
  });
  if (outcome) findings.push(outcome);
  return outcome?.severity === 'info';
}

/** @returns whether there is a point in going on */
async function taken(
  step: DestinationStep,
  destination: Destination,
  o: StepTools & { readonly findings: DoctorFinding[] },
): Promise<boolean> {
  const { check, withoutReading, ifRefused } = step;
  if (withoutReading !== undefined && destination.features.writeOnly) {
    const warning = `not tried, because the credentials may not read: ${withoutReading}`;
    o.findings.push(findingOf(check, { warning }));
    return true;
  }
  const finding = await timed(check, o, (tools) => step.run(tools));
  if (!finding) return !o.signal.aborted;
  if (finding.code === 'permission_denied' && ifRefused !== undefined) {
    const { code: _, hint, message, ...rest } = finding;
    const warning = `${message}: ${ifRefused}`;
    o.findings.push({ ...rest, ...findingOf(check, { warning, ...(hint !== undefined && { hint }) }) });
    return true;
  }
  o.findings.push(finding);
  return finding.severity !== 'error';
}

/** Undefined for a step that has nothing to say, or was stopped. */
async function timed(
  check: string,
  o: StepTools,
  run: (o: StepTools) => Promise<StepOutcome | undefined>,
): Promise<DoctorFinding | undefined> {
  const { clock, signal } = o;
  const startedMs = clock.elapsed();
  const tookMs = (): number => Math.round(clock.elapsed() - startedMs);
  try {
    using limit = deadline(clock, stepMaxMs, `the step "${check}"`);
    const outcome = await run({ clock, signal: AbortSignal.any([signal, limit.signal]) });
    return outcome === undefined ? undefined : { ...findingOf(check, outcome), tookMs: tookMs() };
  } catch (caught) {
    if (signal.aborted) return undefined;
    return { ...failedFinding(check, HoldfastError.from(caught)), tookMs: tookMs() };
  }
}

function leftOver(destination: Destination, left: readonly string[]): DoctorFinding {
  return findingOf('clean up', {
    warning: `could not be removed from ${destination.description}: ${left.join(', ')}`,
    hint: 'remove them by hand, with credentials that may delete; Holdfast does not need them',
  });
}

function stopped(signal: AbortSignal, destination: Destination, left: readonly string[]): HoldfastError {
  const asked = HoldfastError.from(signal.reason);
  if (left.length === 0) return asked;
  const { message, hint } = leftOver(destination, left);
  return new HoldfastError(asked.code, `${asked.reason}; ${message}`, { hint });
}
