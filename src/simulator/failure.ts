/** Parameters of a call, and Duo's error replies about them. */

export type Form = Readonly<Record<string, string>>;

/** An error reply in Duo's format. The HTTP status is the first three digits of the code. */
export class ApiFailure extends Error {
  readonly code: number;
  readonly detail: string;

  constructor(code: number, message: string, detail = '') {
    super(message);
    this.code = code;
    this.detail = detail;
  }
}

/** The error reply that names a wrong parameter. */
export function invalid(parameter: string): ApiFailure {
  return new ApiFailure(40002, 'Invalid request parameters', parameter);
}

/** @throws ApiFailure when the parameter is missing or empty */
export function required(form: Form, name: string): string {
  const value = form[name];
  if (value === undefined || value === '')
    throw new ApiFailure(40001, 'Missing required request parameters', name);
  return value;
}
