import { type Config, parseConfig } from '../../src/config/config.ts';
import { configOf } from './facts.ts';

/** The configuration of these lines. @throws Error when they are invalid */
export function parsed(lines = ''): Config {
  const { text, path } = configOf(lines);
  const result = parseConfig(text, { path, program: 'pam' });
  if (!result.ok) throw new Error(JSON.stringify(result.notices));
  return result.config;
}
