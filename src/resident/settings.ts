/** resident.conf: the idle time of the resident engine, and its permissions for users other than root. */
import { readIni } from '../config/ini.ts';

/** Every setting of resident.conf. */
export interface ResidentSettings {
  /** Whether users can authenticate themselves without root, as screen lockers do. */
  readonly unprivileged: boolean;
  /** The PAM services for which they can. */
  readonly unprivilegedServices: readonly string[];
  /** Milliseconds without a connection after which an engine with systemd's socket ends; 0: never. */
  readonly idleMs: number;
}

export const DEFAULT_SETTINGS: ResidentSettings = {
  unprivileged: false,
  unprivilegedServices: [],
  idleMs: 15 * 60_000,
};

export interface ParsedSettings {
  readonly settings: ResidentSettings;
  /** Errors in the file, for the log. If there are any, only root is served. */
  readonly problems: readonly string[];
}

/** Parses the file, which has the format of pam_duo.conf. Never throws. */
export function parseSettings(text: string, path: string): ParsedSettings {
  const problems: string[] = [];
  let { unprivileged, idleMs } = DEFAULT_SETTINGS;
  const services: string[] = [];
  for (const { line, name, value } of readIni(text)) {
    if (name === 'unprivileged' && /^(?:yes|true|on|1)$/i.test(value)) unprivileged = true;
    else if (name === 'unprivileged' && /^(?:no|false|off|0)$/i.test(value)) unprivileged = false;
    else if (name === 'unprivileged') problems.push(`${path}, line ${line}: unprivileged is yes or no`);
    else if (name === 'unprivileged_services') services.push(...value.split(/[\s,]+/).filter(Boolean));
    else if (name === 'idle_minutes' && /^\d{1,5}(?:\.\d{1,6})?$/.test(value))
      idleMs = Number(value) * 60_000;
    else if (name === 'idle_minutes')
      problems.push(`${path}, line ${line}: idle_minutes is a number of minutes`);
    else problems.push(`${path}, line ${line}: '${name ?? value}' is no option`);
  }
  if (unprivileged && services.length === 0 && problems.length === 0) {
    problems.push(`${path}: unprivileged = yes has no effect without unprivileged_services`);
  }
  if (problems.length > 0) return { settings: DEFAULT_SETTINGS, problems };
  return { settings: { unprivileged, unprivilegedServices: services, idleMs }, problems };
}
