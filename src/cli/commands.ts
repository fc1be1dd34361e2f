/** The command-line tool's subcommands. */
import { Command } from 'commander';
import { RELEASE } from '../lib/release.ts';
import { authCommand } from './auth.ts';
import { breakGlassCommand } from './break-glass.ts';
import { checkCommand } from './check.ts';
import { confCommand } from './conf.ts';
import { engineCommand } from './engine-command.ts';
import { forgetCommand } from './forget.ts';
import { migrateCommand } from './migrate.ts';
import { pamCommand } from './pam.ts';
import { simulateCommand } from './simulate.ts';
import { statusCommand } from './status.ts';
import { supportCommand } from './support.ts';

export function duoTs(): Command {
  return new Command('duo-ts')
    .description('Tools around pam_duo_ts, the Duo second factor for PAM.')
    .version(RELEASE)
    .addHelpText('after', '\nThe PAM module starts `duo-ts engine` for each login; nothing else has to.')
    .addCommand(engineCommand())
    .addCommand(checkCommand())
    .addCommand(statusCommand())
    .addCommand(authCommand())
    .addCommand(forgetCommand())
    .addCommand(breakGlassCommand())
    .addCommand(confCommand())
    .addCommand(supportCommand())
    .addCommand(pamCommand())
    .addCommand(migrateCommand())
    .addCommand(simulateCommand());
}

export async function runCommands(argv: readonly string[]): Promise<void> {
  await duoTs().parseAsync([...argv]);
}
