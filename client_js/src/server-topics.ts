/** What the gateway tells of itself, as types: the `data` of its own topics. Numbers are of the last second, if not said. */

/** At `server/stats`: one each second while somebody watches. Latencies are what the gateway sees of them: queue and run. */
export interface ServerStats {
  readonly uptime_s: number;
  readonly connections: number;
  readonly streams: number;
  readonly subscriptions: number;
  readonly requests_per_s: number;
  readonly steps_per_s: number;
  readonly refused_per_s: number;
  readonly failed_per_s: number;
  /** Null if nothing was finished. */
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
  readonly loop_lag_ms: number;
  readonly queue_requests: number;
  readonly queue_bytes: number;
  /** 0 to 1. */
  readonly slot_busy: number;
  readonly batch_rows: number;
  readonly models: Readonly<Record<string, ModelStats>>;
}

export interface ModelStats {
  readonly state: string;
  readonly requests_per_s: number;
  readonly rows_per_s: number;
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
  readonly queue_requests: number;
  readonly batch_rows: number;
  /** 0 to 1. */
  readonly compute_share: number;
  readonly refused_per_s: number;
  readonly failed_per_s: number;
  readonly streams: number;
}

/** At `server/events`: loads, failures, drains. */
export interface ServerEvent {
  /** `model_ready`, `model_failed`, `drain`, … */
  readonly event: string;
  readonly model?: string;
  /** One sentence for a person. */
  readonly message: string;
}
