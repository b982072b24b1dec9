"""A stranger's reader of tidemark.samples: Python, a Kafka client that Tidemark does not use, and nothing but docs/formats/samples-record.md.

Usage: read_samples.py BROKERS TOPIC
Reads the topic from its beginning to the ends it has now. Prints one JSON object: what the records declare, of metrics and of series, and
every sample with the labels of its series; values as the hexadecimal digits of their 64 bits.
"""

import hashlib
import json
import struct
import sys

from kafka import KafkaConsumer, TopicPartition

SPREAD = 4
TYPES = ["unknown", "counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset"]


class Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError(f"{count} bytes wanted at {self.at} of {len(self.data)}")
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self):
        return self.take(1)[0]

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def zigzag(self):
        coded = self.varint()
        return coded // 2 if coded % 2 == 0 else -(coded + 1) // 2

    def text(self):
        return self.take(self.varint()).decode("utf-8")


def numbers(reader, count):
    mode, found = reader.byte(), []
    if mode == 0:
        expected = 0
        for _ in range(reader.varint()):
            first = expected + reader.zigzag()
            length = reader.varint() + 1
            found.extend(range(first, first + length))
            expected = first + length
    elif mode == 1:
        previous = -1
        for _ in range(count):
            previous = previous + 1 + reader.zigzag()
            found.append(previous)
    else:
        raise ValueError(f"number column of mode {mode}")
    return found


def times(reader, count):
    mode, found, previous = reader.byte(), [], 0
    if mode == 0:
        for _ in range(reader.varint()):
            previous += reader.zigzag()
            found.extend([previous] * (reader.varint() + 1))
    elif mode == 1:
        for _ in range(count):
            previous += reader.zigzag()
            found.append(previous)
    else:
        raise ValueError(f"time column of mode {mode}")
    return found


def values(reader, count):
    controls = reader.take(count)
    body = Reader(reader.take(reader.varint()))
    if reader.take(8) != bytes(8):
        raise ValueError("no zeros behind the values")
    found = []
    for control in controls:
        sign, scale, length = control >> 7, (control >> 3) & 15, control & 7
        if scale == 15:
            found.append(body.take(8)[::-1].hex())
            continue
        value = float(int.from_bytes(body.take(length), "little")) / 10.0**scale
        found.append(struct.pack(">d", -value if sign else value).hex())
    if body.at != len(body.data):
        raise ValueError("value bytes are left")
    return found


def decode(payload):
    reader = Reader(payload)
    if reader.take(3) != b"TMS" or reader.byte() != 1:
        raise ValueError("no samples record of version 1")
    session = reader.take(16).hex()
    sample_count, declaration_count, metadata_count = reader.varint(), reader.varint(), reader.varint()
    symbols = [reader.text() for _ in range(reader.varint())]
    declarations = []
    for _ in range(declaration_count):
        number, identity = reader.varint(), reader.take(16)
        labels = [(symbols[reader.varint()], symbols[reader.varint()]) for _ in range(reader.varint())]
        declarations.append((number, identity, labels))
    metadata = []
    for _ in range(metadata_count):
        metric, kind = symbols[reader.varint()], TYPES[reader.byte()]
        metadata.append({"metric": metric, "type": kind, "help": symbols[reader.varint()], "unit": symbols[reader.varint()]})
    samples = []
    if sample_count > 0:
        samples = list(zip(numbers(reader, sample_count), times(reader, sample_count), values(reader, sample_count)))
    if reader.at != len(payload) or len(samples) != sample_count:
        raise ValueError("the record does not end where its columns do")
    return session, declarations, metadata, samples


def varint_bytes(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def canonical(labels):
    out = b""
    for name, value in labels:
        name, value = name.encode(), value.encode()
        field = b"\x0a" + varint_bytes(len(name)) + name + b"\x12" + varint_bytes(len(value)) + value
        out += b"\x0a" + varint_bytes(len(field)) + field
    return out


def xxhash32(data):
    """https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, seed 0"""
    p1, p2, p3, p4, p5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
    mask = 0xFFFFFFFF

    def rotl(x, r):
        return ((x << r) | (x >> (32 - r))) & mask

    at, length = 0, len(data)
    if length >= 16:
        lanes = [(p1 + p2) & mask, p2, 0, -p1 & mask]
        while at + 16 <= length:
            for i, word in enumerate(struct.unpack_from("<4I", data, at)):
                lanes[i] = rotl((lanes[i] + word * p2) & mask, 13) * p1 & mask
            at += 16
        acc = sum(rotl(lane, r) for lane, r in zip(lanes, (1, 7, 12, 18))) & mask
    else:
        acc = p5
    acc = (acc + length) & mask
    while at + 4 <= length:
        acc = rotl((acc + struct.unpack_from("<I", data, at)[0] * p3) & mask, 17) * p4 & mask
        at += 4
    while at < length:
        acc = rotl((acc + data[at] * p5) & mask, 11) * p1 & mask
        at += 1
    acc = (acc ^ (acc >> 15)) * p2 & mask
    acc = (acc ^ (acc >> 13)) * p3 & mask
    return acc ^ (acc >> 16)


def partition_of(labels, partitions):
    metric = dict(labels)["__name__"].encode()
    return (xxhash32(metric) + xxhash32(canonical(labels)) % SPREAD) % partitions


def main(brokers, topic):
    consumer = KafkaConsumer(bootstrap_servers=brokers.split(","), enable_auto_commit=False, auto_offset_reset="earliest")
    partitions = sorted(consumer.partitions_for_topic(topic))
    assigned = [TopicPartition(topic, partition) for partition in partitions]
    consumer.assign(assigned)
    consumer.seek_to_beginning()
    ends = consumer.end_offsets(assigned)
    result = {"partitions": len(partitions), "records": 0, "others": 0, "ids": [], "metadata": [], "samples": [], "problems": []}
    series = {}
    while any(consumer.position(one) < ends[one] for one in assigned):
        for where, records in consumer.poll(timeout_ms=1000).items():
            for record in records:
                headers = {key: value.decode("utf-8") for key, value in record.headers}
                # Whoever routes by type never looks into a payload that is not his.
                if headers.get("ce_type") != "tidemark.samples.recorded.v1":
                    result["others"] += 1
                    continue
                take(record, headers, where.partition, len(partitions), series, result)
    consumer.close()
    json.dump(result, sys.stdout)


def take(record, headers, partition, partitions, series, result):
    session, declarations, metadata, samples = decode(record.value)
    problems = result["problems"]
    if headers["ce_specversion"] != "1.0" or headers["content-type"] != "application/vnd.tidemark.samples.v1":
        problems.append(f"headers {headers}")
    if headers["ce_source"] != f"urn:tidemark:session:{session}" or not headers["ce_id"].startswith(f"{session}-"):
        problems.append(f"headers {headers} of session {session}")
    result["records"] += 1
    result["ids"].append(headers["ce_id"])
    result["metadata"].extend(metadata)
    for number, identity, labels in declarations:
        series[(session, partition, number)] = labels
        if labels != sorted(labels, key=lambda label: label[0].encode("utf-16-be")) or hashlib.sha256(canonical(labels)).digest()[:16] != identity:
            problems.append(f"identity of {labels}")
        if partition_of(labels, partitions) != partition:
            problems.append(f"partition {partition} of {labels}")
    for number, time, bits in samples:
        labels = series.get((session, partition, number))
        if labels is None:
            problems.append(f"sample of undeclared number {number} in partition {partition} at {record.offset}")
        else:
            result["samples"].append([dict(labels), time, bits])


main(*sys.argv[1:])
