/** The small shapes that the views are made of. */
import { type ErrorCode, errorCodes, namePattern } from '@holdfast/core';
import { z } from 'zod';

export const name = z.string().regex(namePattern).describe('a-z, 0-9 and hyphens, at most 63');
export const word = z.string().min(1).max(400);
export const count = z.int().min(0);
export const rate = z.number().min(0);
export const percent = z.number().min(0).max(100);
export const utc = 'UTC, ISO 8601';
export const moment = z.iso.datetime().describe(utc);
export const revision = count.describe('of the declared objects; grows with each change of them');

export const duration = z
  .string()
  .regex(/^\d{1,6}(?:\.\d{1,3})?(?:ms|s|m|h|d)$/, 'a duration such as 90s, 15m, 1h or 2d')
  .describe('a number and ms, s, m, h or d')
  .meta({ examples: ['1h'] });

export const taskName = name.describe('name of the task');

export const runId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}-\d{8}T\d{9}Z$/, 'a run such as orders-20261121T063000123Z')
  .describe("the run: its task's name and the moment it was created at")
  .meta({ examples: ['orders-20261121T063000123Z'] });

export const backup = z
  .string()
  .max(200)
  .describe('`chain/sequence`, as `holdfast list` names it')
  .meta({ examples: ['20261120T140000Z-node-a-g3/0003'] });

export const scope = z.enum(['full', 'incremental']);

const codes = Object.keys(errorCodes) as [ErrorCode, ...ErrorCode[]];

export const errorCode = z.enum(codes).describe('one of a closed set; see docs/errors.md');

export const apiError = z
  .object({
    code: errorCode,
    message: z.string().describe('what happened'),
    hint: z.string().optional().describe('the next step'),
  })
  .describe('What went wrong.');

export const errorBody = z.object({ error: apiError }).describe('The body of every answer that is an error.');

/** A label that people chose, such as an email's or a table's; anything that prints. */
export const label = z.string().max(4_000);
