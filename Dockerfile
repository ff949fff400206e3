# Martlet in a container: one process, everything it keeps in /data.
#
#   docker build -t martlet .
#   docker run -d --name martlet -p 127.0.0.1:8080:8080 -p 25:2525 -v martlet:/data -e MARTLET_DOMAIN=mail.example.com martlet
#
# The first API key is in /data/root-key: docker exec martlet cat /data/root-key

# Not newer: a better-sqlite3 that is compiled with the headers of Node 24.19 or later aborts (docs/dependencies.md).
FROM node:24.18.1-bookworm-slim AS build
# For better-sqlite3, where its maker has no binary for this platform.
RUN apt-get update && apt-get install -y --no-install-recommends python3 make g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci
COPY scripts/build.js scripts/build.js
COPY src src
RUN npm run build && npm prune --omit=dev

FROM node:24-bookworm-slim
ENV NODE_ENV=production MARTLET_HOST=0.0.0.0 MARTLET_DATA_DIR=/data
WORKDIR /martlet
COPY --from=build /build/node_modules node_modules
COPY --from=build /build/dist dist
COPY package.json LICENSE README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md SECURITY.md ./
COPY docs docs
RUN install -d -o node -g node -m 0700 /data
USER node
VOLUME /data
EXPOSE 8080 2525 2587 2465 2143 2993
# 2525 in the container; publish it as 25, where other mail servers look for it; 2587 as 587, 2465 as 465,
# 2143 as 143 and 2993 as 993, for mail programs.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.MARTLET_HTTP_PORT || 8080) + '/readyz').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# A stop finishes what runs, within 30 s: give it `--stop-timeout 40`.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "dist/cli.js"]
CMD ["serve"]
