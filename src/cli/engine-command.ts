/** `duo-ts engine --resident`. Without the option main.ts starts a private engine. */
import { Command } from 'commander';
import { type ResidentArguments, runResident, StartError } from './resident.ts';

/** The socket for users other than root. */
const USERS_SOCKET = '/run/duo-ts/users.sock';

export function engineCommand(): Command {
  return new Command('engine')
    .description('Serve logins. The PAM module starts a private engine by itself; this is the resident one.')
    .addHelpText('after', '\nExample: duo-ts engine --resident --settings /etc/duo/resident.conf')
    .requiredOption('--resident', 'serve every login of this host, until SIGTERM')
    .option(
      '--socket <path>',
      'where to listen when systemd passes no socket on; takes root, which is then given up for the user duo',
      '/run/duo-ts/engine.sock',
    )
    .option('--users', `let users other than root connect too, at ${USERS_SOCKET} if --socket names no other`)
    .option('--config <path>', 'configuration for users who may not read it; read again at SIGHUP')
    .option('--settings <path>', 'resident.conf; read again at SIGHUP')
    .option(
      '--state <directory>',
      "where Duo's addresses are kept (default: systemd's StateDirectory, or nowhere)",
    )
    .action(async (options: Omit<ResidentArguments, 'users'> & { users?: true }, command: Command) => {
      const users = options.users === true;
      const socket =
        users && command.getOptionValueSource('socket') === 'default' ? USERS_SOCKET : options.socket;
      try {
        await runResident({ ...options, users, socket });
      } catch (error) {
        if (!(error instanceof StartError)) throw error;
        process.stderr.write(`duo-ts engine: ${error.message}\n`);
        process.exitCode = 1;
      }
      process.exit();
    });
}
