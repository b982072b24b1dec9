import type { ValueColumn } from './scalars.ts';
import type { GraphQLResolveInfo, GraphQLScalarType, GraphQLScalarTypeConfig } from 'graphql';
import type { MetricModel, LabelledModel, VectorSeriesModel, MatrixSeriesModel, RangeSeriesModel, InstantResultModel, VectorResultModel, ScalarResultModel, StringResultModel, MatrixResultModel, ServerModel, TopicModel } from './models.ts';
import type { OperationContext } from './context.ts';
export type Maybe<T> = T | null;
export type InputMaybe<T> = Maybe<T>;
export type Omit<T, K extends keyof T> = Pick<T, Exclude<keyof T, K>>;
export type RequireFields<T, K extends keyof T> = Omit<T, K> & { [P in K]-?: NonNullable<T[P]> };
/** All built-in and custom scalars, mapped to their actual values */
export type Scalars = {
  ID: { input: string; output: string; }
  String: { input: string; output: string; }
  Boolean: { input: boolean; output: boolean; }
  Int: { input: number; output: number; }
  Float: { input: number; output: number; }
  /** An integer from 0 to 2^53 - 1, as a JSON number: what does not fit in an `Int` of 32 bits. */
  Count: { input: number; output: number; }
  /**
   * How far into the event log something reaches: an opaque string. A mutation returns one, `minPosition` takes one, every answer tells
   * its own in `asOf`. It stays valid while the log keeps its partitions.
   */
  Position: { input: string; output: string; }
  /**
   * One sample's value: a JSON number, or for what JSON has no number for the string `"NaN"`, `"+Inf"` or `"-Inf"`, as Prometheus prints
   * them. As input also any string that Prometheus' text format knows for a float (`"1e3"`, `"Inf"`). The sign of -0 is kept only in
   * input given as the string `"-0"`: JSON writers drop it.
   */
  SampleValue: { input: number; output: number; }
  /** Milliseconds since the Unix epoch, UTC: an integer, as a JSON number. */
  Timestamp: { input: number; output: number; }
  /** A whole column of times as one leaf: an array of integers, milliseconds since the Unix epoch, ascending. */
  TimestampColumn: { input: never; output: ArrayLike<number>; }
  /** A whole column of values as one leaf, an array: numbers; `null` where there is no point; and the strings `"NaN"`, `"+Inf"`, `"-Inf"`. */
  ValueColumn: { input: never; output: ValueColumn; }
};

/**
 * What `extensions.code` of an error can be: this list is closed. Of an INTERNAL error the message says only an id, under which the log
 * of the server holds the rest.
 */
export type ErrorCode =
  /** An argument, a variable, a cursor or a PromQL expression is wrong; the message says what and where. */
  | 'BAD_USER_INPUT'
  /** The token does not have the scope that this needs. */
  | 'FORBIDDEN'
  /** The GraphQL document is not well formed. */
  | 'GRAPHQL_PARSE_FAILED'
  /** The GraphQL document does not fit the schema. */
  | 'GRAPHQL_VALIDATION_FAILED'
  /** A fault of the server. */
  | 'INTERNAL'
  /** What `minPosition` asks for did not become readable in time: ask again. */
  | 'POSITION_TIMEOUT'
  /** `minPosition` is not a position of this log. */
  | 'POSITION_UNKNOWN'
  /** The expression is well formed and can't be evaluated on this data, as with many-to-many matching. */
  | 'QUERY_FAILED'
  /** The query would read or return more than is allowed: narrow its selectors or its range. */
  | 'QUERY_LIMIT'
  /** The query took longer than its timeout. */
  | 'QUERY_TIMEOUT'
  /** The document is over a limit on tokens, depth, aliases, root fields, variables or cost. */
  | 'TOO_COMPLEX'
  /** A token is needed, or the one given is not known. */
  | 'UNAUTHENTICATED'
  /** The server can't do this just now; try again later. */
  | 'UNAVAILABLE';

/** How fresh the data is that a query sees. */
export type Freshness = {
  __typename?: 'Freshness';
  /** The age of the oldest record that is durable and can't be read yet, in milliseconds; 0 when everything can be read. */
  ageMs: Scalars['Float']['output'];
  /** Everything below this position can be read. */
  asOf: Scalars['Position']['output'];
};

/** The answer to an instant query. */
export type InstantQueryAnswer = {
  __typename?: 'InstantQueryAnswer';
  /** The age of the oldest record that was durable and not yet seen, in milliseconds; 0 when nothing waited. */
  ageMs: Scalars['Float']['output'];
  /** Everything below this position was seen. */
  asOf: Scalars['Position']['output'];
  /** What is worth knowing and makes nothing wrong. */
  infos: Array<Scalars['String']['output']>;
  /** What the expression yields. */
  result: InstantResult;
  /** How many series there are, also beyond `limit`; 0 for a scalar or a text. */
  seriesTotal: Scalars['Int']['output'];
  /** What was read, and how long it took. */
  stats: QueryStats;
  /** What may make the answer wrong or incomplete. */
  warnings: Array<Scalars['String']['output']>;
};

/** What an instant query yields, by the type of its expression. */
export type InstantResult = MatrixResult | ScalarResult | StringResult | VectorResult;

/** One name and value. */
export type Label = {
  __typename?: 'Label';
  /** The label's name. */
  name: Scalars['String']['output'];
  /** The label's value, never empty. */
  value: Scalars['String']['output'];
};

/** One name and value. */
export type LabelInput = {
  /** The label's name. */
  name: Scalars['String']['input'];
  /** The label's value. Empty: as if the label were left out. */
  value: Scalars['String']['input'];
};

/** The samples themselves, as they were sent: what a range selector yields. */
export type MatrixResult = {
  __typename?: 'MatrixResult';
  /** The series, in order of their labels. */
  series: Array<MatrixSeries>;
};

/** A series and its samples. */
export type MatrixSeries = {
  __typename?: 'MatrixSeries';
  /** The value of one label; empty if the series has none of that name. */
  label: Scalars['String']['output'];
  /** Its labels in alphabetical order. */
  labels: Array<Label>;
  /** Its metric; null if it has no name. */
  metric?: Maybe<Metric>;
  /** The series as Prometheus writes it: `up{job="node"}`. */
  text: Scalars['String']['output'];
  /** The times of its samples. */
  timestamps: Scalars['TimestampColumn']['output'];
  /** The values of its samples, beside their times. */
  values: Scalars['ValueColumn']['output'];
};


/** A series and its samples. */
export type MatrixSeriesLabelArgs = {
  name: Scalars['String']['input'];
};

/** A metric: all series of one name. */
export type Metric = {
  __typename?: 'Metric';
  /** What its senders say of it, in words; empty if nothing. */
  help: Scalars['String']['output'];
  /** Its name. */
  name: Scalars['String']['output'];
  /** What it measures. */
  type: MetricType;
  /** Its unit, as `seconds` or `bytes`; empty if none was declared. */
  unit: Scalars['String']['output'];
};

/** Metrics, one page of them. */
export type MetricConnection = {
  __typename?: 'MetricConnection';
  /** The metrics of this page, each with its cursor. */
  edges: Array<MetricEdge>;
  /** The metrics of this page. */
  nodes: Array<Metric>;
  /** Whether there are more, and where this page ends. */
  pageInfo: PageInfo;
};

/** A metric and where it stands. */
export type MetricEdge = {
  __typename?: 'MetricEdge';
  /** Where it stands: give it as `after`. */
  cursor: Scalars['String']['output'];
  /** The metric. */
  node: Metric;
};

/** What is to be said of a metric. */
export type MetricMetadataInput = {
  /** In words. */
  help?: InputMaybe<Scalars['String']['input']>;
  /** The metric's name. */
  metric: Scalars['String']['input'];
  /** What it measures. */
  type?: InputMaybe<MetricType>;
  /** Its unit, as `seconds` or `bytes`. */
  unit?: InputMaybe<Scalars['String']['input']>;
};

/** What a metric measures, as its senders declare it. */
export type MetricType =
  /** It only rises, and starts again at 0 when its process does. */
  | 'COUNTER'
  /** It rises and falls. */
  | 'GAUGE'
  /** Counts by bucket that can fall as well. */
  | 'GAUGE_HISTOGRAM'
  /** Counts by bucket (`_bucket`, `_sum`, `_count`). */
  | 'HISTOGRAM'
  /** Labels that tell something, with the value 1. */
  | 'INFO'
  /** Which of several states holds: 1 or 0 for each. */
  | 'STATE_SET'
  /** Quantiles that the sender computed. */
  | 'SUMMARY'
  /** Nobody has declared it. */
  | 'UNKNOWN';

/** What can be written. Needs the scope `write`. */
export type Mutation = {
  __typename?: 'Mutation';
  /**
   * Puts samples into the event log and returns when they are durable. Series that can't be taken are named in the answer, the others
   * stand. Samples may be sent again without harm: one series has one sample at one time.
   */
  pushSamples?: Maybe<PushSamplesPayload>;
};


/** What can be written. Needs the scope `write`. */
export type MutationPushSamplesArgs = {
  input: PushSamplesInput;
};

/** Where a page stands in its list. */
export type PageInfo = {
  __typename?: 'PageInfo';
  /** The cursor of the page's last element: give it as `after`; null if the page is empty. */
  endCursor?: Maybe<Scalars['String']['output']>;
  /** Whether there are more after this page. */
  hasNextPage: Scalars['Boolean']['output'];
  /** Whether this page began after a cursor. */
  hasPreviousPage: Scalars['Boolean']['output'];
  /** The cursor of the page's first element; null if it is empty. */
  startCursor?: Maybe<Scalars['String']['output']>;
};

/** Samples to be written. */
export type PushSamplesInput = {
  /**
   * A name of this request, chosen by the sender, at most 256 characters: sent again within 10 minutes to a server that has not been
   * restarted, it gets the first one's answer and writes nothing.
   */
  idempotencyKey?: InputMaybe<Scalars['String']['input']>;
  /** What is to be said of the metrics. */
  metadata?: InputMaybe<Array<MetricMetadataInput>>;
  /** The series, each with its samples: at most 10,000, and 50,000 samples in all. */
  series: Array<SeriesInput>;
};

/** What became of the samples. */
export type PushSamplesPayload = {
  __typename?: 'PushSamplesPayload';
  /** How many samples are durable now. */
  accepted: Scalars['Int']['output'];
  /** A query with this as `minPosition` sees what was accepted. */
  position: Scalars['Position']['output'];
  /** How many samples were refused. */
  refused: Scalars['Int']['output'];
  /** What was refused and why: at most 100 series, `refused` counts all. */
  rejected: Array<RejectedSeries>;
};

/** What can be read. Needs the scope `read`. */
export type Query = {
  __typename?: 'Query';
  /** How fresh the data is that a query sees now. */
  freshness?: Maybe<Freshness>;
  /** Evaluates a PromQL expression at one time. */
  instantQuery?: Maybe<InstantQueryAnswer>;
  /** The names of labels, in alphabetical order. */
  labelNames?: Maybe<StringConnection>;
  /** The values of one label, in alphabetical order. */
  labelValues?: Maybe<StringConnection>;
  /** The metrics (values of the label `__name__`), in alphabetical order, with what their senders say of them. */
  metrics?: Maybe<MetricConnection>;
  /** Evaluates a PromQL expression at every step of a time range, both ends included. */
  rangeQuery?: Maybe<RangeQueryAnswer>;
  /** The series, in order of their labels. */
  series?: Maybe<SeriesConnection>;
  /** This server, and how far it has come with its event log. */
  server: Server;
  /** What this server scrapes and how that goes, in order of scrape pool, address and labels. Empty where the server scrapes nothing. */
  targets?: Maybe<TargetConnection>;
};


/** What can be read. Needs the scope `read`. */
export type QueryFreshnessArgs = {
  minPosition?: InputMaybe<Scalars['Position']['input']>;
};


/** What can be read. Needs the scope `read`. */
export type QueryInstantQueryArgs = {
  limit?: InputMaybe<Scalars['Int']['input']>;
  lookbackMs?: InputMaybe<Scalars['Int']['input']>;
  minPosition?: InputMaybe<Scalars['Position']['input']>;
  query: Scalars['String']['input'];
  time?: InputMaybe<Scalars['Timestamp']['input']>;
  timeoutMs?: InputMaybe<Scalars['Int']['input']>;
};


/** What can be read. Needs the scope `read`. */
export type QueryLabelNamesArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  from?: InputMaybe<Scalars['Timestamp']['input']>;
  match?: InputMaybe<Array<Scalars['String']['input']>>;
  minPosition?: InputMaybe<Scalars['Position']['input']>;
  search?: InputMaybe<Scalars['String']['input']>;
  to?: InputMaybe<Scalars['Timestamp']['input']>;
};


/** What can be read. Needs the scope `read`. */
export type QueryLabelValuesArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  from?: InputMaybe<Scalars['Timestamp']['input']>;
  label: Scalars['String']['input'];
  match?: InputMaybe<Array<Scalars['String']['input']>>;
  minPosition?: InputMaybe<Scalars['Position']['input']>;
  search?: InputMaybe<Scalars['String']['input']>;
  to?: InputMaybe<Scalars['Timestamp']['input']>;
};


/** What can be read. Needs the scope `read`. */
export type QueryMetricsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  from?: InputMaybe<Scalars['Timestamp']['input']>;
  match?: InputMaybe<Array<Scalars['String']['input']>>;
  minPosition?: InputMaybe<Scalars['Position']['input']>;
  search?: InputMaybe<Scalars['String']['input']>;
  to?: InputMaybe<Scalars['Timestamp']['input']>;
};


/** What can be read. Needs the scope `read`. */
export type QueryRangeQueryArgs = {
  end: Scalars['Timestamp']['input'];
  limit?: InputMaybe<Scalars['Int']['input']>;
  lookbackMs?: InputMaybe<Scalars['Int']['input']>;
  minPosition?: InputMaybe<Scalars['Position']['input']>;
  query: Scalars['String']['input'];
  start: Scalars['Timestamp']['input'];
  step: Scalars['Int']['input'];
  timeoutMs?: InputMaybe<Scalars['Int']['input']>;
};


/** What can be read. Needs the scope `read`. */
export type QuerySeriesArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  from?: InputMaybe<Scalars['Timestamp']['input']>;
  match?: InputMaybe<Array<Scalars['String']['input']>>;
  minPosition?: InputMaybe<Scalars['Position']['input']>;
  to?: InputMaybe<Scalars['Timestamp']['input']>;
};


/** What can be read. Needs the scope `read`. */
export type QueryTargetsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: InputMaybe<Scalars['Int']['input']>;
  health?: InputMaybe<TargetHealth>;
};

/** What a query read, and how long it took. */
export type QueryStats = {
  __typename?: 'QueryStats';
  /** Blocks read from the store. */
  blocksRead: Scalars['Count']['output'];
  /** Bytes read from the store. */
  bytesRead: Scalars['Count']['output'];
  /** Milliseconds spent on evaluating. */
  evaluateMs: Scalars['Float']['output'];
  /** Of those, how many came from memory (the head). */
  headSamples: Scalars['Count']['output'];
  /** Milliseconds spent on loading. */
  loadMs: Scalars['Float']['output'];
  /** Samples read. */
  samplesRead: Scalars['Count']['output'];
  /** Series that the selectors matched. */
  seriesMatched: Scalars['Count']['output'];
};

/** The answer to a range query: one column of times that all series share, and a column of values for each. */
export type RangeQueryAnswer = {
  __typename?: 'RangeQueryAnswer';
  /** The age of the oldest record that was durable and not yet seen, in milliseconds; 0 when nothing waited. */
  ageMs: Scalars['Float']['output'];
  /** Everything below this position was seen. */
  asOf: Scalars['Position']['output'];
  /** What is worth knowing and makes nothing wrong. */
  infos: Array<Scalars['String']['output']>;
  /** The series, in order of their labels. Series without any point are left out. */
  series: Array<RangeSeries>;
  /** How many series there are, also beyond `limit`. */
  seriesTotal: Scalars['Int']['output'];
  /** What was read, and how long it took. */
  stats: QueryStats;
  /** The times of the evaluation: start, start + step, and so on up to the end. */
  timestamps: Scalars['TimestampColumn']['output'];
  /** What may make the answer wrong or incomplete. */
  warnings: Array<Scalars['String']['output']>;
};

/** A series and its value at each time of the answer. */
export type RangeSeries = {
  __typename?: 'RangeSeries';
  /** The value of one label; empty if the series has none of that name. */
  label: Scalars['String']['output'];
  /** Its labels in alphabetical order. */
  labels: Array<Label>;
  /** Its metric; null if the expression dropped the name. */
  metric?: Maybe<Metric>;
  /** The series as Prometheus writes it: `up{job="node"}`. */
  text: Scalars['String']['output'];
  /** Its values, one for each of the answer's `timestamps`. */
  values: Scalars['ValueColumn']['output'];
};


/** A series and its value at each time of the answer. */
export type RangeSeriesLabelArgs = {
  name: Scalars['String']['input'];
};

/** Why samples are refused. */
export type RejectReason =
  /** A label that stands twice in one series. */
  | 'DUPLICATE_LABEL'
  /** A label's name that is empty or not allowed. */
  | 'INVALID_LABEL_NAME'
  /** Text that is not UTF-8. */
  | 'INVALID_UTF8'
  /** A label's name over its limit. */
  | 'LABEL_NAME_TOO_LONG'
  /** A label's value over its limit. */
  | 'LABEL_VALUE_TOO_LONG'
  /** A series without any label. */
  | 'NO_LABELS'
  /** A series without a name. */
  | 'NO_METRIC_NAME'
  /** More than 10 minutes ahead of now. */
  | 'TOO_FAR_IN_FUTURE'
  /** More labels than a series may have. */
  | 'TOO_MANY_LABELS'
  /** More series than this sender may have. */
  | 'TOO_MANY_SERIES'
  /** Older than raw samples are kept. */
  | 'TOO_OLD'
  /** Labels out of order, where the protocol wants an order. */
  | 'UNSORTED_LABELS'
  /** A native histogram: not supported. */
  | 'UNSUPPORTED_HISTOGRAM';

/** A series of which something was refused. */
export type RejectedSeries = {
  __typename?: 'RejectedSeries';
  /** What was met and what was expected. */
  message: Scalars['String']['output'];
  /** Why. */
  reason: RejectReason;
  /** How many of its samples were refused. */
  samples: Scalars['Int']['output'];
  /** The series as Prometheus writes it, cut at 1,000 characters. */
  series: Scalars['String']['output'];
};

/** What a process does. */
export type Role =
  /** It scrapes targets. */
  | 'COLLECT'
  /** It evaluates rules. */
  | 'EVALUATE'
  /** It takes samples and puts them into the log. */
  | 'INGEST'
  /** It delivers notifications. */
  | 'NOTIFY'
  /** It builds blocks and indexes from the log. */
  | 'PROJECT'
  /** It answers queries. */
  | 'QUERY'
  /** It moves cold blocks into the archive. */
  | 'TIER';

/** A value at a time. */
export type SampleInput = {
  /** Its time: at most 10 minutes ahead of now. */
  timestamp: Scalars['Timestamp']['input'];
  /** Its value. */
  value: Scalars['SampleValue']['input'];
};

/** A single number. */
export type ScalarResult = {
  __typename?: 'ScalarResult';
  /** The time of the evaluation. */
  time: Scalars['Timestamp']['output'];
  /** The number. */
  value: Scalars['SampleValue']['output'];
};

/** A series: one set of labels. */
export type Series = {
  __typename?: 'Series';
  /** Its identity, 32 hexadecimal digits: the same in the event log, the store and the archive. */
  id: Scalars['ID']['output'];
  /** The value of one label; empty if the series has none of that name. */
  label: Scalars['String']['output'];
  /** Its labels in alphabetical order, `__name__` among them. */
  labels: Array<Label>;
  /** Its metric; null if it has no name. */
  metric?: Maybe<Metric>;
  /** The series as Prometheus writes it: `up{job="node"}`. */
  text: Scalars['String']['output'];
};


/** A series: one set of labels. */
export type SeriesLabelArgs = {
  name: Scalars['String']['input'];
};

/** Series, one page of them. */
export type SeriesConnection = {
  __typename?: 'SeriesConnection';
  /** The series of this page, each with its cursor. */
  edges: Array<SeriesEdge>;
  /** The series of this page. */
  nodes: Array<Series>;
  /** Whether there are more, and where this page ends. */
  pageInfo: PageInfo;
};

/** A series and where it stands. */
export type SeriesEdge = {
  __typename?: 'SeriesEdge';
  /** Where it stands: give it as `after`. */
  cursor: Scalars['String']['output'];
  /** The series. */
  node: Series;
};

/** A series and its samples. */
export type SeriesInput = {
  /** Its labels, `__name__` among them, in any order, each name once. */
  labels: Array<LabelInput>;
  /** Its samples, in any order. */
  samples: Array<SampleInput>;
};

/** A server, and how far it has come with its event log. */
export type Server = {
  __typename?: 'Server';
  /** How fresh the data is that a query sees; null if that fails. */
  freshness?: Maybe<Freshness>;
  /** The server's clock. */
  now: Scalars['Timestamp']['output'];
  /** What this process does. */
  roles: Array<Role>;
  /** When this process started. */
  startedAt: Scalars['Timestamp']['output'];
  /** The topics of the event log, in alphabetical order; null if that fails. */
  topics?: Maybe<Array<Topic>>;
  /** Tidemark's version. */
  version: Scalars['String']['output'];
};

/** Names or values, one page of them. */
export type StringConnection = {
  __typename?: 'StringConnection';
  /** The texts of this page, each with its cursor. */
  edges: Array<StringEdge>;
  /** The texts of this page. */
  nodes: Array<Scalars['String']['output']>;
  /** Whether there are more, and where this page ends. */
  pageInfo: PageInfo;
};

/** A name or value and where it stands. */
export type StringEdge = {
  __typename?: 'StringEdge';
  /** Where it stands: give it as `after`. */
  cursor: Scalars['String']['output'];
  /** The text. */
  node: Scalars['String']['output'];
};

/** A text. */
export type StringResult = {
  __typename?: 'StringResult';
  /** The time of the evaluation. */
  time: Scalars['Timestamp']['output'];
  /** The text. */
  value: Scalars['String']['output'];
};

/** What can be followed, over a WebSocket with the subprotocol `graphql-transport-ws`. Needs the scope `read`. */
export type Subscription = {
  __typename?: 'Subscription';
  /** The state of the server: at once, and then at every interval. It never falls behind: a slow reader gets fewer of them. */
  serverStatus: Server;
};


/** What can be followed, over a WebSocket with the subprotocol `graphql-transport-ws`. Needs the scope `read`. */
export type SubscriptionServerStatusArgs = {
  intervalMs?: InputMaybe<Scalars['Int']['input']>;
};

/** Something that is scraped. */
export type Target = {
  __typename?: 'Target';
  /** The labels that discovery gave it, before relabelling. */
  discoveredLabels: Array<Label>;
  /** Whether it could be scraped. */
  health: TargetHealth;
  /** The labels that its series carry. */
  labels: Array<Label>;
  /** Why the last scrape failed; empty if it went well. */
  lastError: Scalars['String']['output'];
  /** When it was last scraped; null if never. */
  lastScrape?: Maybe<Scalars['Timestamp']['output']>;
  /** How long the last scrape took, in milliseconds. */
  lastScrapeDurationMs: Scalars['Float']['output'];
  /** Milliseconds between two scrapes. */
  scrapeIntervalMs: Scalars['Int']['output'];
  /** The name of its job in the configuration. */
  scrapePool: Scalars['String']['output'];
  /** After how many milliseconds a scrape is given up. */
  scrapeTimeoutMs: Scalars['Int']['output'];
  /** The address that is scraped. */
  scrapeUrl: Scalars['String']['output'];
};

/** Targets, one page of them. */
export type TargetConnection = {
  __typename?: 'TargetConnection';
  /** The targets of this page, each with its cursor. */
  edges: Array<TargetEdge>;
  /** The targets of this page. */
  nodes: Array<Target>;
  /** Whether there are more, and where this page ends. */
  pageInfo: PageInfo;
};

/** A target and where it stands. */
export type TargetEdge = {
  __typename?: 'TargetEdge';
  /** Where it stands: give it as `after`. */
  cursor: Scalars['String']['output'];
  /** The target. */
  node: Target;
};

/** Whether a target could be scraped. */
export type TargetHealth =
  /** The last scrape failed. */
  | 'DOWN'
  /** It has not been scraped yet. */
  | 'UNKNOWN'
  /** The last scrape went well. */
  | 'UP';

/** A topic of the event log. */
export type Topic = {
  __typename?: 'Topic';
  /** Records held, in all its partitions. */
  depthRecords: Scalars['Count']['output'];
  /** Records not yet applied, in all its partitions. */
  lagRecords: Scalars['Count']['output'];
  /** Its name, as `tidemark.samples`. */
  name: Scalars['String']['output'];
  /** Its partitions, in order of their numbers. */
  partitions: Array<TopicPartition>;
};

/** A partition of a topic: an ordered log of its own. */
export type TopicPartition = {
  __typename?: 'TopicPartition';
  /** Everything below this offset has been applied. */
  appliedOffset: Scalars['Count']['output'];
  /** Bytes held; null where the log can't tell. */
  bytes?: Maybe<Scalars['Count']['output']>;
  /** Records held. */
  depthRecords: Scalars['Count']['output'];
  /** The number that the next record gets. */
  endOffset: Scalars['Count']['output'];
  /** Records not yet applied. */
  lagRecords: Scalars['Count']['output'];
  /** Its number, from 0. */
  partition: Scalars['Int']['output'];
  /** The oldest record held. */
  startOffset: Scalars['Count']['output'];
};

/** One value for each of several series. */
export type VectorResult = {
  __typename?: 'VectorResult';
  /** The series, in the order of the expression. */
  series: Array<VectorSeries>;
  /** The time of the evaluation. */
  time: Scalars['Timestamp']['output'];
};

/** A series and its value. */
export type VectorSeries = {
  __typename?: 'VectorSeries';
  /** The value of one label; empty if the series has none of that name. */
  label: Scalars['String']['output'];
  /** Its labels in alphabetical order. */
  labels: Array<Label>;
  /** Its metric; null if the expression dropped the name. */
  metric?: Maybe<Metric>;
  /** The series as Prometheus writes it: `up{job="node"}`. */
  text: Scalars['String']['output'];
  /** Its value. */
  value: Scalars['SampleValue']['output'];
};


/** A series and its value. */
export type VectorSeriesLabelArgs = {
  name: Scalars['String']['input'];
};



export type ResolverTypeWrapper<T> = Promise<T> | T;


export type ResolverWithResolve<TResult, TParent, TContext, TArgs> = {
  resolve: ResolverFn<TResult, TParent, TContext, TArgs>;
};
export type Resolver<TResult, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>, TArgs = Record<PropertyKey, never>> = ResolverFn<TResult, TParent, TContext, TArgs> | ResolverWithResolve<TResult, TParent, TContext, TArgs>;

export type ResolverFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => Promise<TResult> | TResult;

export type SubscriptionSubscribeFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => AsyncIterable<TResult> | Promise<AsyncIterable<TResult>>;

export type SubscriptionResolveFn<TResult, TParent, TContext, TArgs> = (
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => TResult | Promise<TResult>;

export interface SubscriptionSubscriberObject<TResult, TKey extends string, TParent, TContext, TArgs> {
  subscribe: SubscriptionSubscribeFn<{ [key in TKey]: TResult }, TParent, TContext, TArgs>;
  resolve?: SubscriptionResolveFn<TResult, { [key in TKey]: TResult }, TContext, TArgs>;
}

export interface SubscriptionResolverObject<TResult, TParent, TContext, TArgs> {
  subscribe: SubscriptionSubscribeFn<any, TParent, TContext, TArgs>;
  resolve: SubscriptionResolveFn<TResult, any, TContext, TArgs>;
}

export type SubscriptionObject<TResult, TKey extends string, TParent, TContext, TArgs> =
  | SubscriptionSubscriberObject<TResult, TKey, TParent, TContext, TArgs>
  | SubscriptionResolverObject<TResult, TParent, TContext, TArgs>;

export type SubscriptionResolver<TResult, TKey extends string, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>, TArgs = Record<PropertyKey, never>> =
  | ((...args: any[]) => SubscriptionObject<TResult, TKey, TParent, TContext, TArgs>)
  | SubscriptionObject<TResult, TKey, TParent, TContext, TArgs>;

export type TypeResolveFn<TTypes, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>> = (
  parent: TParent,
  context: TContext,
  info: GraphQLResolveInfo
) => Maybe<TTypes> | Promise<Maybe<TTypes>>;

export type IsTypeOfResolverFn<T = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>> = (obj: T, context: TContext, info: GraphQLResolveInfo) => boolean | Promise<boolean>;

export type NextResolverFn<T> = () => Promise<T>;

export type DirectiveResolverFn<TResult = Record<PropertyKey, never>, TParent = Record<PropertyKey, never>, TContext = Record<PropertyKey, never>, TArgs = Record<PropertyKey, never>> = (
  next: NextResolverFn<TResult>,
  parent: TParent,
  args: TArgs,
  context: TContext,
  info: GraphQLResolveInfo
) => TResult | Promise<TResult>;





/** Mapping between all available schema types and the resolvers types */
export type ResolversTypes = {
  Boolean: ResolverTypeWrapper<Scalars['Boolean']['output']>;
  Count: ResolverTypeWrapper<Scalars['Count']['output']>;
  ErrorCode: ErrorCode;
  Float: ResolverTypeWrapper<Scalars['Float']['output']>;
  Freshness: ResolverTypeWrapper<Freshness>;
  ID: ResolverTypeWrapper<Scalars['ID']['output']>;
  InstantQueryAnswer: ResolverTypeWrapper<Omit<InstantQueryAnswer, 'result'> & { result: ResolversTypes['InstantResult'] }>;
  InstantResult: ResolverTypeWrapper<InstantResultModel>;
  Int: ResolverTypeWrapper<Scalars['Int']['output']>;
  Label: ResolverTypeWrapper<Label>;
  LabelInput: LabelInput;
  MatrixResult: ResolverTypeWrapper<MatrixResultModel>;
  MatrixSeries: ResolverTypeWrapper<MatrixSeriesModel>;
  Metric: ResolverTypeWrapper<MetricModel>;
  MetricConnection: ResolverTypeWrapper<Omit<MetricConnection, 'edges' | 'nodes'> & { edges: Array<ResolversTypes['MetricEdge']>, nodes: Array<ResolversTypes['Metric']> }>;
  MetricEdge: ResolverTypeWrapper<Omit<MetricEdge, 'node'> & { node: ResolversTypes['Metric'] }>;
  MetricMetadataInput: MetricMetadataInput;
  MetricType: MetricType;
  Mutation: ResolverTypeWrapper<Record<PropertyKey, never>>;
  PageInfo: ResolverTypeWrapper<PageInfo>;
  Position: ResolverTypeWrapper<Scalars['Position']['output']>;
  PushSamplesInput: PushSamplesInput;
  PushSamplesPayload: ResolverTypeWrapper<PushSamplesPayload>;
  Query: ResolverTypeWrapper<Record<PropertyKey, never>>;
  QueryStats: ResolverTypeWrapper<QueryStats>;
  RangeQueryAnswer: ResolverTypeWrapper<Omit<RangeQueryAnswer, 'series'> & { series: Array<ResolversTypes['RangeSeries']> }>;
  RangeSeries: ResolverTypeWrapper<RangeSeriesModel>;
  RejectReason: RejectReason;
  RejectedSeries: ResolverTypeWrapper<RejectedSeries>;
  Role: Role;
  SampleInput: SampleInput;
  SampleValue: ResolverTypeWrapper<Scalars['SampleValue']['output']>;
  ScalarResult: ResolverTypeWrapper<ScalarResultModel>;
  Series: ResolverTypeWrapper<LabelledModel>;
  SeriesConnection: ResolverTypeWrapper<Omit<SeriesConnection, 'edges' | 'nodes'> & { edges: Array<ResolversTypes['SeriesEdge']>, nodes: Array<ResolversTypes['Series']> }>;
  SeriesEdge: ResolverTypeWrapper<Omit<SeriesEdge, 'node'> & { node: ResolversTypes['Series'] }>;
  SeriesInput: SeriesInput;
  Server: ResolverTypeWrapper<ServerModel>;
  String: ResolverTypeWrapper<Scalars['String']['output']>;
  StringConnection: ResolverTypeWrapper<StringConnection>;
  StringEdge: ResolverTypeWrapper<StringEdge>;
  StringResult: ResolverTypeWrapper<StringResultModel>;
  Subscription: ResolverTypeWrapper<Record<PropertyKey, never>>;
  Target: ResolverTypeWrapper<Target>;
  TargetConnection: ResolverTypeWrapper<TargetConnection>;
  TargetEdge: ResolverTypeWrapper<TargetEdge>;
  TargetHealth: TargetHealth;
  Timestamp: ResolverTypeWrapper<Scalars['Timestamp']['output']>;
  TimestampColumn: ResolverTypeWrapper<Scalars['TimestampColumn']['output']>;
  Topic: ResolverTypeWrapper<TopicModel>;
  TopicPartition: ResolverTypeWrapper<TopicPartition>;
  ValueColumn: ResolverTypeWrapper<Scalars['ValueColumn']['output']>;
  VectorResult: ResolverTypeWrapper<VectorResultModel>;
  VectorSeries: ResolverTypeWrapper<VectorSeriesModel>;
};

/** Mapping between all available schema types and the resolvers parents */
export type ResolversParentTypes = {
  Boolean: Scalars['Boolean']['output'];
  Count: Scalars['Count']['output'];
  Float: Scalars['Float']['output'];
  Freshness: Freshness;
  ID: Scalars['ID']['output'];
  InstantQueryAnswer: Omit<InstantQueryAnswer, 'result'> & { result: ResolversParentTypes['InstantResult'] };
  InstantResult: InstantResultModel;
  Int: Scalars['Int']['output'];
  Label: Label;
  LabelInput: LabelInput;
  MatrixResult: MatrixResultModel;
  MatrixSeries: MatrixSeriesModel;
  Metric: MetricModel;
  MetricConnection: Omit<MetricConnection, 'edges' | 'nodes'> & { edges: Array<ResolversParentTypes['MetricEdge']>, nodes: Array<ResolversParentTypes['Metric']> };
  MetricEdge: Omit<MetricEdge, 'node'> & { node: ResolversParentTypes['Metric'] };
  MetricMetadataInput: MetricMetadataInput;
  Mutation: Record<PropertyKey, never>;
  PageInfo: PageInfo;
  Position: Scalars['Position']['output'];
  PushSamplesInput: PushSamplesInput;
  PushSamplesPayload: PushSamplesPayload;
  Query: Record<PropertyKey, never>;
  QueryStats: QueryStats;
  RangeQueryAnswer: Omit<RangeQueryAnswer, 'series'> & { series: Array<ResolversParentTypes['RangeSeries']> };
  RangeSeries: RangeSeriesModel;
  RejectedSeries: RejectedSeries;
  SampleInput: SampleInput;
  SampleValue: Scalars['SampleValue']['output'];
  ScalarResult: ScalarResultModel;
  Series: LabelledModel;
  SeriesConnection: Omit<SeriesConnection, 'edges' | 'nodes'> & { edges: Array<ResolversParentTypes['SeriesEdge']>, nodes: Array<ResolversParentTypes['Series']> };
  SeriesEdge: Omit<SeriesEdge, 'node'> & { node: ResolversParentTypes['Series'] };
  SeriesInput: SeriesInput;
  Server: ServerModel;
  String: Scalars['String']['output'];
  StringConnection: StringConnection;
  StringEdge: StringEdge;
  StringResult: StringResultModel;
  Subscription: Record<PropertyKey, never>;
  Target: Target;
  TargetConnection: TargetConnection;
  TargetEdge: TargetEdge;
  Timestamp: Scalars['Timestamp']['output'];
  TimestampColumn: Scalars['TimestampColumn']['output'];
  Topic: TopicModel;
  TopicPartition: TopicPartition;
  ValueColumn: Scalars['ValueColumn']['output'];
  VectorResult: VectorResultModel;
  VectorSeries: VectorSeriesModel;
};

export interface CountScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['Count'], any> {
  name: 'Count';
}

export type FreshnessResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Freshness'] = ResolversParentTypes['Freshness']> = {
  ageMs?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  asOf?: Resolver<ResolversTypes['Position'], ParentType, ContextType>;
};

export type InstantQueryAnswerResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['InstantQueryAnswer'] = ResolversParentTypes['InstantQueryAnswer']> = {
  ageMs?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  asOf?: Resolver<ResolversTypes['Position'], ParentType, ContextType>;
  infos?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  result?: Resolver<ResolversTypes['InstantResult'], ParentType, ContextType>;
  seriesTotal?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  stats?: Resolver<ResolversTypes['QueryStats'], ParentType, ContextType>;
  warnings?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
};

export type InstantResultResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['InstantResult'] = ResolversParentTypes['InstantResult']> = {
  __resolveType: TypeResolveFn<'MatrixResult' | 'ScalarResult' | 'StringResult' | 'VectorResult', ParentType, ContextType>;
};

export type LabelResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Label'] = ResolversParentTypes['Label']> = {
  name?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  value?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type MatrixResultResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['MatrixResult'] = ResolversParentTypes['MatrixResult']> = {
  series?: Resolver<Array<ResolversTypes['MatrixSeries']>, ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type MatrixSeriesResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['MatrixSeries'] = ResolversParentTypes['MatrixSeries']> = {
  label?: Resolver<ResolversTypes['String'], ParentType, ContextType, RequireFields<MatrixSeriesLabelArgs, 'name'>>;
  labels?: Resolver<Array<ResolversTypes['Label']>, ParentType, ContextType>;
  metric?: Resolver<Maybe<ResolversTypes['Metric']>, ParentType, ContextType>;
  text?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  timestamps?: Resolver<ResolversTypes['TimestampColumn'], ParentType, ContextType>;
  values?: Resolver<ResolversTypes['ValueColumn'], ParentType, ContextType>;
};

export type MetricResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Metric'] = ResolversParentTypes['Metric']> = {
  help?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  name?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  type?: Resolver<ResolversTypes['MetricType'], ParentType, ContextType>;
  unit?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type MetricConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['MetricConnection'] = ResolversParentTypes['MetricConnection']> = {
  edges?: Resolver<Array<ResolversTypes['MetricEdge']>, ParentType, ContextType>;
  nodes?: Resolver<Array<ResolversTypes['Metric']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type MetricEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['MetricEdge'] = ResolversParentTypes['MetricEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['Metric'], ParentType, ContextType>;
};

export type MutationResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Mutation'] = ResolversParentTypes['Mutation']> = {
  pushSamples?: Resolver<Maybe<ResolversTypes['PushSamplesPayload']>, ParentType, ContextType, RequireFields<MutationPushSamplesArgs, 'input'>>;
};

export type PageInfoResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PageInfo'] = ResolversParentTypes['PageInfo']> = {
  endCursor?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
  hasNextPage?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  hasPreviousPage?: Resolver<ResolversTypes['Boolean'], ParentType, ContextType>;
  startCursor?: Resolver<Maybe<ResolversTypes['String']>, ParentType, ContextType>;
};

export interface PositionScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['Position'], any> {
  name: 'Position';
}

export type PushSamplesPayloadResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['PushSamplesPayload'] = ResolversParentTypes['PushSamplesPayload']> = {
  accepted?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  position?: Resolver<ResolversTypes['Position'], ParentType, ContextType>;
  refused?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  rejected?: Resolver<Array<ResolversTypes['RejectedSeries']>, ParentType, ContextType>;
};

export type QueryResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Query'] = ResolversParentTypes['Query']> = {
  freshness?: Resolver<Maybe<ResolversTypes['Freshness']>, ParentType, ContextType, Partial<QueryFreshnessArgs>>;
  instantQuery?: Resolver<Maybe<ResolversTypes['InstantQueryAnswer']>, ParentType, ContextType, RequireFields<QueryInstantQueryArgs, 'limit' | 'query'>>;
  labelNames?: Resolver<Maybe<ResolversTypes['StringConnection']>, ParentType, ContextType, RequireFields<QueryLabelNamesArgs, 'first'>>;
  labelValues?: Resolver<Maybe<ResolversTypes['StringConnection']>, ParentType, ContextType, RequireFields<QueryLabelValuesArgs, 'first' | 'label'>>;
  metrics?: Resolver<Maybe<ResolversTypes['MetricConnection']>, ParentType, ContextType, RequireFields<QueryMetricsArgs, 'first'>>;
  rangeQuery?: Resolver<Maybe<ResolversTypes['RangeQueryAnswer']>, ParentType, ContextType, RequireFields<QueryRangeQueryArgs, 'end' | 'limit' | 'query' | 'start' | 'step'>>;
  series?: Resolver<Maybe<ResolversTypes['SeriesConnection']>, ParentType, ContextType, RequireFields<QuerySeriesArgs, 'first'>>;
  server?: Resolver<ResolversTypes['Server'], ParentType, ContextType>;
  targets?: Resolver<Maybe<ResolversTypes['TargetConnection']>, ParentType, ContextType, RequireFields<QueryTargetsArgs, 'first'>>;
};

export type QueryStatsResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['QueryStats'] = ResolversParentTypes['QueryStats']> = {
  blocksRead?: Resolver<ResolversTypes['Count'], ParentType, ContextType>;
  bytesRead?: Resolver<ResolversTypes['Count'], ParentType, ContextType>;
  evaluateMs?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  headSamples?: Resolver<ResolversTypes['Count'], ParentType, ContextType>;
  loadMs?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  samplesRead?: Resolver<ResolversTypes['Count'], ParentType, ContextType>;
  seriesMatched?: Resolver<ResolversTypes['Count'], ParentType, ContextType>;
};

export type RangeQueryAnswerResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RangeQueryAnswer'] = ResolversParentTypes['RangeQueryAnswer']> = {
  ageMs?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  asOf?: Resolver<ResolversTypes['Position'], ParentType, ContextType>;
  infos?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  series?: Resolver<Array<ResolversTypes['RangeSeries']>, ParentType, ContextType>;
  seriesTotal?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  stats?: Resolver<ResolversTypes['QueryStats'], ParentType, ContextType>;
  timestamps?: Resolver<ResolversTypes['TimestampColumn'], ParentType, ContextType>;
  warnings?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
};

export type RangeSeriesResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RangeSeries'] = ResolversParentTypes['RangeSeries']> = {
  label?: Resolver<ResolversTypes['String'], ParentType, ContextType, RequireFields<RangeSeriesLabelArgs, 'name'>>;
  labels?: Resolver<Array<ResolversTypes['Label']>, ParentType, ContextType>;
  metric?: Resolver<Maybe<ResolversTypes['Metric']>, ParentType, ContextType>;
  text?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  values?: Resolver<ResolversTypes['ValueColumn'], ParentType, ContextType>;
};

export type RejectedSeriesResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['RejectedSeries'] = ResolversParentTypes['RejectedSeries']> = {
  message?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  reason?: Resolver<ResolversTypes['RejectReason'], ParentType, ContextType>;
  samples?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  series?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export interface SampleValueScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['SampleValue'], any> {
  name: 'SampleValue';
}

export type ScalarResultResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['ScalarResult'] = ResolversParentTypes['ScalarResult']> = {
  time?: Resolver<ResolversTypes['Timestamp'], ParentType, ContextType>;
  value?: Resolver<ResolversTypes['SampleValue'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type SeriesResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Series'] = ResolversParentTypes['Series']> = {
  id?: Resolver<ResolversTypes['ID'], ParentType, ContextType>;
  label?: Resolver<ResolversTypes['String'], ParentType, ContextType, RequireFields<SeriesLabelArgs, 'name'>>;
  labels?: Resolver<Array<ResolversTypes['Label']>, ParentType, ContextType>;
  metric?: Resolver<Maybe<ResolversTypes['Metric']>, ParentType, ContextType>;
  text?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type SeriesConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SeriesConnection'] = ResolversParentTypes['SeriesConnection']> = {
  edges?: Resolver<Array<ResolversTypes['SeriesEdge']>, ParentType, ContextType>;
  nodes?: Resolver<Array<ResolversTypes['Series']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type SeriesEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['SeriesEdge'] = ResolversParentTypes['SeriesEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['Series'], ParentType, ContextType>;
};

export type ServerResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Server'] = ResolversParentTypes['Server']> = {
  freshness?: Resolver<Maybe<ResolversTypes['Freshness']>, ParentType, ContextType>;
  now?: Resolver<ResolversTypes['Timestamp'], ParentType, ContextType>;
  roles?: Resolver<Array<ResolversTypes['Role']>, ParentType, ContextType>;
  startedAt?: Resolver<ResolversTypes['Timestamp'], ParentType, ContextType>;
  topics?: Resolver<Maybe<Array<ResolversTypes['Topic']>>, ParentType, ContextType>;
  version?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type StringConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['StringConnection'] = ResolversParentTypes['StringConnection']> = {
  edges?: Resolver<Array<ResolversTypes['StringEdge']>, ParentType, ContextType>;
  nodes?: Resolver<Array<ResolversTypes['String']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type StringEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['StringEdge'] = ResolversParentTypes['StringEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type StringResultResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['StringResult'] = ResolversParentTypes['StringResult']> = {
  time?: Resolver<ResolversTypes['Timestamp'], ParentType, ContextType>;
  value?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type SubscriptionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Subscription'] = ResolversParentTypes['Subscription']> = {
  serverStatus?: SubscriptionResolver<ResolversTypes['Server'], "serverStatus", ParentType, ContextType, RequireFields<SubscriptionServerStatusArgs, 'intervalMs'>>;
};

export type TargetResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Target'] = ResolversParentTypes['Target']> = {
  discoveredLabels?: Resolver<Array<ResolversTypes['Label']>, ParentType, ContextType>;
  health?: Resolver<ResolversTypes['TargetHealth'], ParentType, ContextType>;
  labels?: Resolver<Array<ResolversTypes['Label']>, ParentType, ContextType>;
  lastError?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  lastScrape?: Resolver<Maybe<ResolversTypes['Timestamp']>, ParentType, ContextType>;
  lastScrapeDurationMs?: Resolver<ResolversTypes['Float'], ParentType, ContextType>;
  scrapeIntervalMs?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  scrapePool?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  scrapeTimeoutMs?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  scrapeUrl?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
};

export type TargetConnectionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['TargetConnection'] = ResolversParentTypes['TargetConnection']> = {
  edges?: Resolver<Array<ResolversTypes['TargetEdge']>, ParentType, ContextType>;
  nodes?: Resolver<Array<ResolversTypes['Target']>, ParentType, ContextType>;
  pageInfo?: Resolver<ResolversTypes['PageInfo'], ParentType, ContextType>;
};

export type TargetEdgeResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['TargetEdge'] = ResolversParentTypes['TargetEdge']> = {
  cursor?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  node?: Resolver<ResolversTypes['Target'], ParentType, ContextType>;
};

export interface TimestampScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['Timestamp'], any> {
  name: 'Timestamp';
}

export interface TimestampColumnScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['TimestampColumn'], any> {
  name: 'TimestampColumn';
}

export type TopicResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['Topic'] = ResolversParentTypes['Topic']> = {
  depthRecords?: Resolver<ResolversTypes['Count'], ParentType, ContextType>;
  lagRecords?: Resolver<ResolversTypes['Count'], ParentType, ContextType>;
  name?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  partitions?: Resolver<Array<ResolversTypes['TopicPartition']>, ParentType, ContextType>;
};

export type TopicPartitionResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['TopicPartition'] = ResolversParentTypes['TopicPartition']> = {
  appliedOffset?: Resolver<ResolversTypes['Count'], ParentType, ContextType>;
  bytes?: Resolver<Maybe<ResolversTypes['Count']>, ParentType, ContextType>;
  depthRecords?: Resolver<ResolversTypes['Count'], ParentType, ContextType>;
  endOffset?: Resolver<ResolversTypes['Count'], ParentType, ContextType>;
  lagRecords?: Resolver<ResolversTypes['Count'], ParentType, ContextType>;
  partition?: Resolver<ResolversTypes['Int'], ParentType, ContextType>;
  startOffset?: Resolver<ResolversTypes['Count'], ParentType, ContextType>;
};

export interface ValueColumnScalarConfig extends GraphQLScalarTypeConfig<ResolversTypes['ValueColumn'], any> {
  name: 'ValueColumn';
}

export type VectorResultResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['VectorResult'] = ResolversParentTypes['VectorResult']> = {
  series?: Resolver<Array<ResolversTypes['VectorSeries']>, ParentType, ContextType>;
  time?: Resolver<ResolversTypes['Timestamp'], ParentType, ContextType>;
  __isTypeOf?: IsTypeOfResolverFn<ParentType, ContextType>;
};

export type VectorSeriesResolvers<ContextType = OperationContext, ParentType extends ResolversParentTypes['VectorSeries'] = ResolversParentTypes['VectorSeries']> = {
  label?: Resolver<ResolversTypes['String'], ParentType, ContextType, RequireFields<VectorSeriesLabelArgs, 'name'>>;
  labels?: Resolver<Array<ResolversTypes['Label']>, ParentType, ContextType>;
  metric?: Resolver<Maybe<ResolversTypes['Metric']>, ParentType, ContextType>;
  text?: Resolver<ResolversTypes['String'], ParentType, ContextType>;
  value?: Resolver<ResolversTypes['SampleValue'], ParentType, ContextType>;
};

export type Resolvers<ContextType = OperationContext> = {
  Count?: GraphQLScalarType;
  Freshness?: FreshnessResolvers<ContextType>;
  InstantQueryAnswer?: InstantQueryAnswerResolvers<ContextType>;
  InstantResult?: InstantResultResolvers<ContextType>;
  Label?: LabelResolvers<ContextType>;
  MatrixResult?: MatrixResultResolvers<ContextType>;
  MatrixSeries?: MatrixSeriesResolvers<ContextType>;
  Metric?: MetricResolvers<ContextType>;
  MetricConnection?: MetricConnectionResolvers<ContextType>;
  MetricEdge?: MetricEdgeResolvers<ContextType>;
  Mutation?: MutationResolvers<ContextType>;
  PageInfo?: PageInfoResolvers<ContextType>;
  Position?: GraphQLScalarType;
  PushSamplesPayload?: PushSamplesPayloadResolvers<ContextType>;
  Query?: QueryResolvers<ContextType>;
  QueryStats?: QueryStatsResolvers<ContextType>;
  RangeQueryAnswer?: RangeQueryAnswerResolvers<ContextType>;
  RangeSeries?: RangeSeriesResolvers<ContextType>;
  RejectedSeries?: RejectedSeriesResolvers<ContextType>;
  SampleValue?: GraphQLScalarType;
  ScalarResult?: ScalarResultResolvers<ContextType>;
  Series?: SeriesResolvers<ContextType>;
  SeriesConnection?: SeriesConnectionResolvers<ContextType>;
  SeriesEdge?: SeriesEdgeResolvers<ContextType>;
  Server?: ServerResolvers<ContextType>;
  StringConnection?: StringConnectionResolvers<ContextType>;
  StringEdge?: StringEdgeResolvers<ContextType>;
  StringResult?: StringResultResolvers<ContextType>;
  Subscription?: SubscriptionResolvers<ContextType>;
  Target?: TargetResolvers<ContextType>;
  TargetConnection?: TargetConnectionResolvers<ContextType>;
  TargetEdge?: TargetEdgeResolvers<ContextType>;
  Timestamp?: GraphQLScalarType;
  TimestampColumn?: GraphQLScalarType;
  Topic?: TopicResolvers<ContextType>;
  TopicPartition?: TopicPartitionResolvers<ContextType>;
  ValueColumn?: GraphQLScalarType;
  VectorResult?: VectorResultResolvers<ContextType>;
  VectorSeries?: VectorSeriesResolvers<ContextType>;
};

