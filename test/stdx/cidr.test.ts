import { describe, expect, it } from '@jest/globals'
import fc from 'fast-check'
import { isInCidr, parseAddress, parseCidr } from '../../src/stdx/cidr.ts'

const contains = (range: string, address: string) => {
  const cidr = parseCidr(range)
  const bytes = parseAddress(address)
  if (cidr === null || bytes === null) throw new Error(`${range} or ${address} is not understood`)
  return isInCidr(bytes, cidr)
}

describe('address ranges', () => {
  it.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '11.0.0.0', false],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.3', '10.1.2.4', false],
    ['192.168.4.0/22', '192.168.7.255', true],
    ['192.168.4.0/22', '192.168.8.0', false],
    ['0.0.0.0/0', '255.1.2.3', true],
    ['0.0.0.0/0', '::1', false],
    ['::/0', '10.0.0.1', true],
    ['fd00::/8', 'fdff::1', true],
    ['fd00::/8', 'fe80::1', false],
    // As sockets that listen on :: name their IPv4 peers.
    ['10.0.0.0/8', '::ffff:10.2.3.4', true],
    ['::1', '::1', true],
    ['fe80::/10', 'fe80::1%eth0', true],
  ])('%s holds %s: %s', (range, address, expected) => {
    expect(contains(range, address)).toBe(expected)
  })

  it.each([
    '',
    '10.0.0',
    '10.0.0.0/33',
    '10.0.0.256',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '::1/129',
    '1::2::3',
    ':::',
    '1:2:3:4:5:6:7',
    'localhost',
    'g::',
  ])('%j is none', (text) => {
    expect(parseCidr(text)).toBeNull()
  })

  it('hold an IPv4 address exactly when its first bits are theirs', () => {
    const dotted = (value: number) => [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
        fc.integer({ min: 0, max: 31 }),
        fc.integer({ min: 0, max: 32 }),
        (base, flip, bits) => {
          const other = (base ^ (1 << flip)) >>> 0
          expect(contains(`${dotted(base)}/${bits}`, dotted(base))).toBe(true)
          expect(contains(`${dotted(base)}/${bits}`, dotted(other))).toBe(31 - flip >= bits)
        },
      ),
    )
  })
})
