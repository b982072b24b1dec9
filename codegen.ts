import type { CodegenConfig } from '@graphql-codegen/cli'

/** The types of the resolvers, from the contract. `npm run codegen` writes them; a test compares. */
const config: CodegenConfig = {
  schema: 'schema.graphql',
  emitLegacyCommonJSImports: false,
  generates: {
    'src/graphql/schema.generated.ts': {
      plugins: ['typescript', 'typescript-resolvers'],
      config: {
        contextType: './context.ts#OperationContext',
        useTypeImports: true,
        enumsAsTypes: true,
        strictScalars: true,
        scalars: {
          Timestamp: 'number',
          Count: 'number',
          Position: 'string',
          SampleValue: 'number',
          ValueColumn: { input: 'never', output: './scalars.ts#ValueColumn' },
          TimestampColumn: { input: 'never', output: 'ArrayLike<number>' },
        },
        mappers: {
          Metric: './models.ts#MetricModel',
          Series: './models.ts#LabelledModel',
          VectorSeries: './models.ts#VectorSeriesModel',
          MatrixSeries: './models.ts#MatrixSeriesModel',
          RangeSeries: './models.ts#RangeSeriesModel',
          InstantResult: './models.ts#InstantResultModel',
          VectorResult: './models.ts#VectorResultModel',
          ScalarResult: './models.ts#ScalarResultModel',
          StringResult: './models.ts#StringResultModel',
          MatrixResult: './models.ts#MatrixResultModel',
          Server: './models.ts#ServerModel',
          Topic: './models.ts#TopicModel',
        },
        resolverTypeWrapperSignature: 'Promise<T> | T',
      },
    },
  },
}

export default config
