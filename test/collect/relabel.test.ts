import { describe, expect, it } from '@jest/globals'
import { parseScrapeConfigs } from '../../src/collect/scrape/config.ts'
import { compileRelabel, relabel } from '../../src/collect/scrape/relabel.ts'
import { mergeLabels } from '../../src/collect/scrape/series-cache.ts'
import { Labels } from '../../src/domain/labels.ts'

const globals = { scrapeIntervalMs: 15_000, scrapeTimeoutMs: 10_000 }

function steps(...configs: unknown[]) {
  const parsed = parseScrapeConfigs([{ job_name: 'j', relabel_configs: configs }], globals)
  if ('issues' in parsed) throw new Error(JSON.stringify(parsed.issues))
  return compileRelabel(parsed.jobs[0].relabel_configs)
}

describe('relabelling', () => {
  const input = { __name__: 'm', a: 'foo', b: 'bar', c: 'baz', __meta_x: '1' }
  const cases: [string, unknown[], Record<string, string> | null][] = [
    [
      'replaces with groups',
      [{ source_labels: ['a'], regex: 'f(.*)', target_label: 'd', replacement: 'ch$1-ch$1' }],
      { ...input, d: 'choo-choo' },
    ],
    ['joins sources by the separator', [{ source_labels: ['a', 'b'], separator: '+', target_label: 'd' }], { ...input, d: 'foo+bar' }],
    [
      'leaves labels alone where the expression does not match whole',
      [{ source_labels: ['a'], regex: 'o', target_label: 'd', replacement: 'x' }],
      input,
    ],
    [
      'removes a label by an empty replacement',
      [{ source_labels: ['a'], target_label: 'b', replacement: '' }],
      { __name__: 'm', a: 'foo', c: 'baz', __meta_x: '1' },
    ],
    ['puts groups into the target', [{ source_labels: ['a'], regex: '(f).*', target_label: '$1', replacement: 'y' }], { ...input, f: 'y' }],
    ['drops', [{ action: 'drop', source_labels: ['a'], regex: 'fo+' }], null],
    ['keeps', [{ action: 'keep', source_labels: ['a'], regex: 'bar' }], null],
    ['keeps equal ones', [{ action: 'keepequal', source_labels: ['a'], target_label: 'b' }], null],
    ['drops equal ones', [{ action: 'dropequal', source_labels: ['a'], target_label: 'b' }], input],
    ['hashes as Prometheus does', [{ action: 'hashmod', source_labels: ['c'], modulus: 1000, target_label: 'h' }], { ...input, h: '976' }],
    ['maps labels', [{ action: 'labelmap', regex: '__meta_(.*)' }], { ...input, x: '1' }],
    ['drops labels', [{ action: 'labeldrop', regex: '[ab]|__.*' }], { c: 'baz' }],
    ['keeps labels', [{ action: 'labelkeep', regex: 'a' }], { a: 'foo' }],
    ['changes case', [{ action: 'uppercase', source_labels: ['a'], target_label: 'a' }], { ...input, a: 'FOO' }],
    ['takes actions in any case', [{ action: 'Drop', source_labels: ['a'], regex: 'foo' }], null],
  ]
  it.each(cases)('%s', (_name, configs, expected) => {
    expect(relabel(Labels.fromObject(input), steps(...configs))?.toObject() ?? null).toEqual(expected)
  })

  it.each([
    [{ action: 'hashmod', target_label: 'x' }, /modulus above 0/],
    [{ action: 'replace' }, /expected a target_label/],
    [{ target_label: 'x', regex: '(' }, /RE2 regular expression/],
    [{ action: 'nope' }, /Invalid option/],
    [{ target_label: 'x', nope: 1 }, /nope/],
  ])('refuses %j', (config, message) => {
    const parsed = parseScrapeConfigs([{ job_name: 'j', relabel_configs: [config] }], globals)
    expect(JSON.stringify('issues' in parsed && parsed.issues)).toMatch(message)
  })
})

describe('labels of a scraped series', () => {
  const target = Labels.fromObject({ job: 'j', instance: 'i' })
  it('renames what conflicts with the target', () => {
    const scraped = Labels.fromObject({ __name__: 'm', job: 'own', exported_instance: 'e', instance: 'x' })
    expect(mergeLabels(target, scraped, false).toObject()).toEqual({
      __name__: 'm',
      job: 'j',
      exported_job: 'own',
      instance: 'i',
      exported_instance: 'e',
      exported_exported_instance: 'x',
    })
  })
  it('keeps them where the job honours labels', () => {
    expect(mergeLabels(target, Labels.fromObject({ __name__: 'm', job: 'own' }), true).toObject()).toEqual({
      __name__: 'm',
      job: 'own',
      instance: 'i',
    })
  })
})
