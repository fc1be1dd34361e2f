/** `duo-ts engine --resident`. Without the option the engine is a private one, which main.ts starts by itself. */
import { Command } from 'commander';
import { type ResidentArguments, runResident, StartError } from './resident.ts';

export function engineCommand(): Command {
  return new Command('engine')
    .description('Serve logins. The PAM module starts a private engine by itself; this is the resident one.')
    .requiredOption('--resident', 'serve every login of this host, until SIGTERM')
    .option(
      '--socket <path>',
      'where to listen when systemd passes no socket on; takes root, which is then given up for the user duo',
      '/run/duo-ts/engine.sock',
    )
    .option('--config <path>', 'configuration for users who may not read it (default: the credential)')
    .option('--settings <path>', 'resident.conf (default: the credential)')
    .action(async (options: ResidentArguments) => {
      try {
        await runResident(options);
      } catch (error) {
        if (!(error instanceof StartError)) throw error;
        process.stderr.write(`duo-ts engine: ${error.message}\n`);
        process.exitCode = 1;
      }
      process.exit();
    });
}
