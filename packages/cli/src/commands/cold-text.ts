import type { ColdPlan, ColdStock, ThawReport, Volume } from '@holdfast/service';
import { table } from '../table.ts';
import { bytes, counted, moment } from '../units.ts';

/** `12 segments (3.20 GB)` */
export function volume({ segments, bytes: size }: Volume): string {
  return `${counted(segments, 'segment')} (${bytes(size)})`;
}

/** `12 segments (3.20 GB) in cold storage (DEEP_ARCHIVE)` */
export function stock(cold: ColdStock): string {
  return `${volume(cold)} in cold storage${classes(cold)}`;
}

function classes({ storageClasses }: ColdStock): string {
  const names = storageClasses.filter((name) => name !== '');
  return names.length === 0 ? '' : ` (${names.join(', ')})`;
}

/** What a line of a listing says of a backup: by the listing of the place, which need not know what is thawed. */
export function coldRemark(cold: ColdStock | undefined, segments: number): string {
  if (!cold) return '';
  const part = cold.segments < segments ? `${cold.segments} of ${counted(segments, 'segment')} ` : '';
  return `${part}cold${classes(cold)}`;
}

/** What of a restore has to be thawed first, how it stands, and what there is to choose from. */
export function describeColdPlan({ reads, segments, classes: all, ways }: ColdPlan): string {
  const unready = segments.filter(({ access }) => access !== 'thawed').length;
  const first =
    unready === 0
      ? `In cold storage, all of it thawed: ${counted(segments.length, 'segment')} of the ${volume(reads)} to read`
      : `In cold storage: ${unready} of the ${volume(reads)} to read must be thawed first`;
  const standings = all.map(({ storageClass, cold, thawing, thawed }) => {
    const parts = [
      ...(cold.segments > 0 ? [`${volume(cold)} cold`] : []),
      ...(thawing.segments > 0 ? [`${volume(thawing)} being thawed`] : []),
      ...(thawed.segments > 0 ? [`${volume(thawed)} thawed`] : []),
    ];
    return `  ${storageClass || 'cold storage'}: ${parts.join(', ')}\n`;
  });
  const choices = table(
    [{ title: 'TO THAW' }, { title: 'CLASS' }, { title: 'TAKES' }, { title: 'COSTS' }],
    ways.map(({ storageClass, tier, wait, cost }) => [`--thaw ${tier}`, storageClass, wait, cost]),
  );
  return `${first}\n${standings.join('')}${ways.length === 0 ? '' : choices.replace(/^(?=.)/gm, '  ')}`;
}

/** What a restore that does not wait has asked for, and how to go on. */
export function describeThaw(report: ThawReport, command: string): string {
  const { asked, thawing, thawed, tier, days, readyByMs } = report;
  const lines = ['Nothing is restored yet: what it reads has to be thawed first'];
  if (asked.segments > 0) {
    const by = readyByMs === undefined ? '' : `, readable by about ${moment(Math.round(readyByMs))}`;
    lines.push(`asked for: ${volume(asked)}, ${tier}, for ${counted(days, 'day')}${by}`);
  }
  if (thawing.segments > 0) lines.push(`asked for before, being thawed: ${volume(thawing)}`);
  if (thawed.segments > 0) lines.push(`thawed: ${volume(thawed)}`);
  lines.push(`to go on: ${command}`);
  return `${lines.join('\n')}\n`;
}
