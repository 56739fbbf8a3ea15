/** Our environment without PGHOST, PGPASSWORD and the like: a test goes where it says, not where the shell points. */
export function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PG')));
}
