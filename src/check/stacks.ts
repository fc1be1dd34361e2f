/** The PAM stacks: who asks Duo, whether Duo can be got around, and whether somebody is locked out. */
import { existsSync, globSync } from 'node:fs';
import { RELEASE } from '../lib/release.ts';
import type { Step } from '../pam/evaluate.ts';
import { guardOf } from '../pam/guard.ts';
import { type Line, readStack, type Stack } from '../pam/stack.ts';
import { Findings } from './finding.ts';
import { readText, runProgram, statusOf } from './machine.ts';

const MODULE = 'pam_duo_ts.so';
const LIBRARIES = ['/{usr/,}lib/security', '/{usr/,}lib64/security', '/{usr/,}lib/*/security'];
const ARGUMENTS = /^(?:debug|conf=(?:\/.*|none)|engine=\/.*|socket=(?:\/.*|none))$/;
/** A second stack of a program, which is a way around Duo when only the first one asks. */
const COMPANIONS: Readonly<Record<string, string>> = { sudo: 'sudo-i', su: 'su-l' };
/** Ways to a shell that an administrator may have forgotten. */
const LOGINS = ['sshd', 'sudo', 'su', 'login', 'cockpit', 'gdm-password', 'lightdm', 'sddm', 'polkit-1'];

export interface CheckedStacks {
  readonly findings: Findings;
  /** The services that ask Duo. */
  readonly services: readonly string[];
  /** The configurations that they use. */
  readonly configurations: readonly string[];
  /** The engines that they name. */
  readonly engines: readonly string[];
}

const isDuo = (line: object): line is Line => 'module' in line && String(line.module).endsWith(MODULE);

export function checkStacks(): CheckedStacks {
  const findings = new Findings('pam');
  const names = globSync('/etc/pam.d/*')
    .filter((path) => statusOf(path)?.isDirectory() === false)
    .map((path) => path.slice('/etc/pam.d/'.length))
    .filter((name) => !/^(?:common-|system-auth|password-auth|postlogin)|[.~]/.test(name));
  const services: string[] = [];
  const calls: Line[] = [];
  for (const service of names) {
    const stack = readStack(service, 'auth', readText);
    if (stack === undefined) continue;
    const duo = stack.lines.filter(isDuo);
    if (duo.length > 0) {
      services.push(service);
      calls.push(...duo);
      checkStack(service, stack, duo, findings);
    }
    for (const type of ['account', 'session', 'password'] as const) {
      for (const line of readStack(service, type, readText)?.lines.filter(isDuo) ?? [])
        findings.warn(
          'wrong-type',
          `${at(line)}: ${MODULE} in a line of type ${type} asks nobody`,
          'Write it as an auth line.',
        );
    }
  }
  checkCoverage(services, findings);
  checkLines(calls, findings);
  const argumentsOf = (name: string) =>
    calls.flatMap((line) =>
      line.arguments.filter((each) => each.startsWith(name)).map((each) => each.slice(name.length)),
    );
  const plain = calls.some((line) => !line.arguments.some((each) => each.startsWith('conf=')));
  return {
    findings,
    services,
    configurations: [
      ...new Set([
        ...(plain || calls.length === 0 ? ['/etc/duo/pam_duo.conf'] : []),
        ...argumentsOf('conf=').filter((path) => path !== 'none'),
      ]),
    ],
    engines: [...new Set(argumentsOf('engine='))],
  };
}

const at = ({ path, number }: Pick<Line, 'path' | 'number'>) => `${path}:${number}`;

function checkStack(service: string, stack: Stack, duo: readonly Line[], findings: Findings): void {
  const way = (steps: readonly Step[]) =>
    steps.map(({ line, code }) => `${at(line)} ${line.module} returns ${code}`).join('; ');
  for (const problem of stack.problems)
    findings.error(
      problem.kind === 'include' ? 'missing-include' : 'invalid-line',
      `${at(problem)} ${problem.text}, so every login by ${service} is denied`,
      `Correct ${problem.path}.`,
    );
  const { bypass, passable, askedInVain } = guardOf(stack);
  if (bypass !== undefined)
    findings.error(
      'bypass',
      `${service} lets users in without Duo: ${way(bypass)}`,
      `Make ${MODULE} \`required\` behind the password, with nothing \`sufficient\` or jumping over it: see pam_duo_ts(8).`,
    );
  if (!passable && stack.problems.length === 0)
    findings.error(
      'nobody-passes',
      `${service} denies every login, whatever Duo says`,
      `Correct the stack, or run duo-ts pam disable ${service}.`,
    );
  if (askedInVain !== undefined)
    findings.warn(
      'asked-in-vain',
      `${service} asks Duo even after a wrong password, so strangers can send pushes: ${way(askedInVain)}`,
      'Let a wrong password end the stack (requisite) before Duo.',
    );
  if (duo.length > 1)
    findings.warn(
      'asked-twice',
      `${service} asks Duo ${duo.length} times: ${duo.map(at).join(', ')}`,
      'Remove all lines but one.',
    );
  for (const line of stack.lines)
    if ('module' in line && /(?:^|\/)pam_duo\.so$/.test(line.module))
      findings.warn(
        'duo-unix-too',
        `${at(line)}: ${service} also asks through Duo's own pam_duo.so`,
        'Remove that line, or run duo-ts migrate.',
      );
  if (bypass === undefined && passable)
    findings.ok('stack', `${service} asks Duo, and nobody gets around it`);
}

function checkCoverage(services: readonly string[], findings: Findings): void {
  if (services.length === 0) {
    findings.warn('no-service', 'No PAM stack asks Duo', 'Run duo-ts pam enable sudo, then sshd.');
    return;
  }
  for (const [service, companion] of Object.entries(COMPANIONS)) {
    if (services.includes(service) && existsSync(`/etc/pam.d/${companion}`) && !services.includes(companion))
      findings.error(
        'companion',
        `${service} asks Duo, but ${companion} does not: a way around Duo`,
        `duo-ts pam enable ${service}`,
      );
  }
  const open = LOGINS.filter((name) => !services.includes(name) && existsSync(`/etc/pam.d/${name}`));
  if (open.length > 0) findings.ok('not-covered', `These services do not ask Duo: ${open.join(', ')}`);
}

function checkLines(calls: readonly Line[], findings: Findings): void {
  const seen = new Map(calls.map((line) => [at(line), line]));
  for (const line of seen.values()) {
    const paths = line.module.startsWith('/')
      ? [line.module]
      : globSync(LIBRARIES.map((directory) => `${directory}/${line.module}`));
    if (!paths.some((path) => existsSync(path)))
      findings.error(
        'module-missing',
        `${at(line)}: ${line.module} is not installed, so every login is denied`,
        'Install pam-duo-ts, or remove the line.',
      );
    for (const path of paths) {
      const status = existsSync(path) ? statusOf(path) : undefined;
      const missing = [...(runProgram('ldd', path)?.stdout ?? '').matchAll(/^\s*(\S+) => not found$/gm)];
      if (missing.length > 0)
        findings.error(
          'missing-library',
          `${path} needs ${missing.map(([, name]) => name).join(', ')}, so every login is denied`,
          'Install the package that has it.',
        );
      if (status !== undefined && !readText(path)?.includes(`\0${RELEASE}\0`))
        findings.warn(
          'module-version',
          `${path} is not of this program's release ${RELEASE}`,
          'Install module and engine from one package.',
        );
      if (status !== undefined && (status.uid !== 0 || (status.mode & 0o022) !== 0))
        findings.error(
          'module-writable',
          `${path} can be changed by others than root, who could let anybody in`,
          `chown root ${path} && chmod 644 ${path}; then find out who changed it`,
        );
    }
    for (const argument of line.arguments.filter((each) => !ARGUMENTS.test(each)))
      findings.warn(
        'unknown-argument',
        `${at(line)}: the module does not know the argument '${argument}'`,
        'Remove it: see pam_duo_ts(8).',
      );
  }
  for (const path of new Set(calls.map((line) => line.path))) {
    const status = statusOf(path);
    if (status !== undefined && (status.uid !== 0 || (status.mode & 0o022) !== 0))
      findings.error(
        'stack-writable',
        `${path} can be changed by others than root`,
        `chown root ${path} && chmod 644 ${path}`,
      );
  }
}
