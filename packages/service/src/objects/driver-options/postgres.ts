import { group, url } from '../../config/fields.ts';
import { driverOptions } from './driver-options.ts';

const example = 'postgres://backup:$' + '{file:/run/secrets/orders}@db1,db2/orders';

export const postgresOptions = driverOptions({
  declared: group(
    {
      url: url({
        help: "the database, as libpq's URL: several hosts and its parameters included",
        schemes: ['postgres', 'postgresql'],
        example,
      }),
    },
    'A PostgreSQL database',
  ),
  toUrl: (declared) => declared.url,
  example: { url: example },
});
