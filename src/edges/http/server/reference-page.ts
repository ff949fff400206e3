/**
 * The API reference at `/docs`: Swagger UI, which the build copies from its package to dist/, and nothing from elsewhere. It
 * shows `/v0/openapi.json`, and sends requests to this server only, with a key that the reader enters. The key stays in
 * the memory of the page.
 */
import { createReadStream, existsSync } from 'node:fs'
import { createGunzip } from 'node:zlib'
import { MailError } from '../../../errors.ts'
import { packageRoot } from '../../../package-root.ts'
import type { HttpApp } from './http-dialect.ts'

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
}

/** Files of the viewer, compressed by the build (scripts/build.js). */
const FILES = {
  'swagger-ui.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
} as const

// Relative links: a proxy may serve this below a path.
const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Martlet: API reference</title>
<link rel="stylesheet" href="reference/swagger-ui.css">
<body style="margin: 0">
<noscript>This page needs JavaScript. The same as a file: <a href="v0/openapi.json">v0/openapi.json</a></noscript>
<main id="reference"></main>
<script src="reference/swagger-ui.js"></script>
<script src="reference/start.js"></script>
</html>
`

const SCRIPT = `'use strict'
const base = new URL('.', location.href).href.replace(/\\/$/, '')
fetch('v0/openapi.json')
  .then((response) => response.json())
  .then((spec) => SwaggerUIBundle({
    spec: { ...spec, servers: [{ url: base }] }, // the public URL may be another origin
    dom_id: '#reference',
    deepLinking: true,
    docExpansion: 'none',
    defaultModelsExpandDepth: 0,
    filter: true,
    validatorUrl: null,
  }))
`

export function referencePageRoutes(app: HttpApp): void {
  app.get('/docs', (_request, reply) => reply.headers(HEADERS).type('text/html; charset=utf-8').send(PAGE))
  app.get('/reference/start.js', (_request, reply) =>
    reply.headers(HEADERS).type('text/javascript; charset=utf-8').send(SCRIPT),
  )
  for (const [name, type] of Object.entries(FILES)) {
    app.get(`/reference/${name}`, (request, reply) => {
      const file = new URL(`dist/${name}.gz`, packageRoot)
      if (!existsSync(file)) throw new MailError('not_found', { what: 'Page' })
      const isCompressed = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')
      const bytes = createReadStream(file)
      reply.headers(HEADERS).type(type).header('cache-control', 'no-cache').header('vary', 'accept-encoding')
      return isCompressed
        ? reply.header('content-encoding', 'gzip').send(bytes)
        : reply.send(bytes.pipe(createGunzip()))
    })
  }
}
