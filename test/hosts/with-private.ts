/** For what takes a private engine: hosts that bring a configuration without being root, and engines that a test looks at. */
import test, { type ImplementationFn } from 'ava';
import { residentAlone } from './machine.ts';

/** A test that has no meaning where a resident engine alone serves: there it is none. */
export function withPrivate(title: string, implementation: ImplementationFn<[]>): void {
  if (!residentAlone) test.serial(title, implementation);
}
