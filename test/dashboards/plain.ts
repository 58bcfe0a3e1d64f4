import { Dashboard, DataQuery } from '@grafana/schema';

// Plain is a type as JSON writes it: the words of enumerations in place of their names.
export type Plain<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends Array<infer U>
      ? Array<Plain<U>>
      : T extends object
        ? { [K in keyof T]: Plain<T[K]> }
        : T;

// Model is a dashboard without its panels and annotations, which are checked more closely.
export type Model = Omit<Plain<Dashboard>, 'panels' | 'annotations'>;

type Whole = NonNullable<Plain<Dashboard>['panels']>[number];
export type Row = Extract<Whole, { collapsed: unknown }>;
type Typed = Exclude<Whole, Row>;

// Panel is a panel whose options and custom settings are those of its kind, and whose queries are Prometheus's.
export type Panel<Options, Custom> = Omit<Typed, 'options' | 'fieldConfig' | 'targets'> & {
  options?: Partial<Plain<Options>>;
  fieldConfig: {
    defaults: Omit<NonNullable<Typed['fieldConfig']>['defaults'], 'custom'> & { custom?: Partial<Plain<Custom>> };
    overrides: NonNullable<Typed['fieldConfig']>['overrides'];
  };
  targets: Query[];
};

type Query = DataQuery & {
  expr: string;
  legendFormat?: string;
  instant?: boolean;
  range?: boolean;
  editorMode?: 'code' | 'builder';
  format?: 'time_series' | 'table' | 'heatmap';
};

// Mark is an annotation query with what Prometheus's has beside, or with Grafana's own question for tags.
export type Mark = Omit<NonNullable<NonNullable<Plain<Dashboard>['annotations']>['list']>[number], 'target'> & {
  target?: { type: 'tags'; tags: string[]; limit: number; matchAny: boolean };
  expr?: string;
  step?: string;
  titleFormat?: string;
  textFormat?: string;
  tagKeys?: string;
};
