/** A real gateway in a process of its own, and a way to it that can be cut. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { type AddressInfo, connect as dial, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL("../../.venv/bin/tidegate", import.meta.url));

/** The program `tidegate`; the variable TIDEGATE names another one. Undefined if it is not installed. */
export const PROGRAM = process.env.TIDEGATE ?? (existsSync(HERE) ? HERE : undefined);

export class RealGateway {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  static start(...options: string[]): Promise<RealGateway> {
    const child = spawn(PROGRAM!, ["serve", "--port", "0", ...options], {
      cwd: tmpdir(),
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    return new Promise((resolve, reject) => {
      child.on("exit", () => reject(new Error(`the gateway ended: ${said}`)));
      child.stdout.on("data", (data) => {
        said += String(data);
        const url = /Listening on (\S+)/.exec(said)?.[1];
        if (url) resolve(new RealGateway(child, url.replace(/^http/, "ws")));
      });
    });
  }

  stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    return new Promise((resolve) => {
      this.child.removeAllListeners("exit").on("exit", () => resolve());
      this.child.kill(signal);
    });
  }

  kill(): Promise<void> {
    return this.stop("SIGKILL");
  }
}

/** A way to a gateway through another port, which can be cut. */
export class Way {
  /** Whether it lets new connections through; after a cut it does so at once. */
  isOpen = true;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async to(url: string): Promise<Way> {
    const { hostname, port } = new URL(url);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const way = new Way(server, `ws://127.0.0.1:${(server.address() as AddressInfo).port}/v1`);
    server.on("connection", (near) => {
      if (!way.isOpen) return void near.destroy();
      const far = dial(Number(port), hostname);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        way.sockets.add(from);
        from.pipe(to);
        from.on("error", () => {});
        from.on("close", () => (way.sockets.delete(from), to.destroy()));
      }
    });
    return way;
  }

  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.server.close();
  }
}
