/**
 * The certificate interface of a listener: the current certificate, and a notification when it changes.
 *
 * The edges declare it and certificate-source.ts implements it, with the operator's files or a self-signed pair (net/self-signed.ts). A
 * listener must call `current` again on each change, since a certificate can be renewed while connections stay open.
 */

/** A certificate chain and its private key, both PEM. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface TlsSource {
  /** Returns the certificate for handshakes that start now. Cheap; never throws. */
  current(): Certificate
  /**
   * @param listener called after `current()` returns a new certificate; running sessions keep the old one
   * @returns a function that stops the calls
   */
  onChange(listener: () => void): () => void
}
