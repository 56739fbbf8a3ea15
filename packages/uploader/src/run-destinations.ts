import { type AbsentDestination, type Destination, HoldfastError } from '@holdfast/core';
import type { RequiredCopies, StageOptions } from './run-stage.ts';

/** @throws HoldfastError config_invalid when no run can go to these, or not to as many as are required */
export function assertDestinations(descriptions: readonly string[], require: RequiredCopies): void {
  const { length } = descriptions;
  if (new Set(descriptions).size !== length || length === 0) {
    throw new HoldfastError(
      'config_invalid',
      `a run needs destinations, each once: ${descriptions.join(', ')}`,
      { hint: 'two copies in one place are one copy: name each destination once' },
    );
  }
  if (require === 'all' || (Number.isSafeInteger(require) && require >= 1 && require <= length)) return;
  throw new HoldfastError(
    'config_invalid',
    `a backup cannot be required at ${require} of ${length} destinations`,
    { hint: `require all of them, or a number from 1 to ${length}` },
  );
}

/** Of a run's destinations those that are there, and those that are not. */
export function takingPart(
  destinations: readonly Destination[],
  absent: readonly AbsentDestination[],
): Pick<StageOptions, 'destinations' | 'absent'> {
  const away = absent.filter(({ destination }) => destinations.includes(destination));
  return {
    destinations: destinations.filter((one) => !away.some(({ destination }) => destination === one)),
    absent: away,
  };
}
