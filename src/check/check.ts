/** Every check of this machine, in the order of a login's parts. */
import { checkConfiguration } from './configuration.ts';
import { checkEngine } from './engine.ts';
import type { Finding } from './finding.ts';
import { checkService } from './service.ts';
import { checkSshd } from './sshd.ts';
import { checkStacks } from './stacks.ts';
import { checkSudo } from './sudo.ts';

export interface CheckOptions {
  /** The engine that the module starts. */
  readonly engine: string;
  /** For whom and from where sshd's configuration is read. */
  readonly user: string;
  readonly addr: string;
  /** Receives the name of each part when its check begins. */
  readonly progress: (part: string) => void;
}

export async function checkMachine({
  engine,
  user,
  addr,
  progress,
}: CheckOptions): Promise<readonly Finding[]> {
  progress('PAM stacks');
  const stacks = checkStacks();
  progress('configuration');
  const pam = stacks.configurations.map((path) => checkConfiguration(path, 'pam'));
  progress('sshd');
  const trustsKeys = pam.some(({ config }) => config !== undefined && config.trustedKeys.length > 0);
  const sshd = checkSshd(stacks.services.includes('sshd'), { user, addr }, trustsKeys);
  progress('sudo');
  const sudo = checkSudo(stacks.services.includes('sudo')).list;
  const configurations = [
    ...pam,
    ...(sshd.loginDuo ? [checkConfiguration('/etc/duo/login_duo.conf', 'login_duo')] : []),
  ];
  progress('engine');
  const engines = await Promise.all([engine, ...stacks.engines].map((path) => checkEngine(path)));
  progress('Duo');
  const usable = configurations.flatMap(({ config }) => config ?? []);
  const same = (one: (typeof usable)[number]) =>
    [one.host, one.port, one.ikey, one.skey?.reveal() ?? one.skeyFile, one.httpProxy?.reveal()].join('\n');
  const services = await Promise.all(
    [...new Map(usable.map((config) => [same(config), config])).values()].map((config) =>
      checkService(config),
    ),
  );
  return [
    ...configurations.flatMap(({ findings }) => findings.list),
    ...services.flatMap(({ list }) => list),
    ...engines.flatMap(({ list }) => list),
    ...stacks.findings.list,
    ...sshd.findings.list,
    ...sudo,
  ];
}
