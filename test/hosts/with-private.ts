/**
 * For tests that need a private engine: callers that send a configuration without being root, and tests
 * that inspect the engine.
 */
import test, { type ImplementationFn } from 'ava';
import { residentAlone } from './machine.ts';

/** A test that does not apply where only a resident engine serves; there it is not run. */
export function withPrivate(title: string, implementation: ImplementationFn<[]>): void {
  if (!residentAlone) test.serial(title, implementation);
}
