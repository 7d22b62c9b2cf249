package org.chksweep.flinkjobs;

/** Deterministic contents: everything is a function of (seed, split, index). */
final class Contents {
  private Contents() {}

  static byte[] payload(long seed, long split, long i, int length) {
    byte[] bytes = new byte[length];
    long x = hash(seed, split, i);
    for (int k = 0; k < length; k++) {
      if ((k & 7) == 0) {
        x = mix(x);
      }
      bytes[k] = (byte) (x >>> ((k & 7) * 8));
    }
    return bytes;
  }

  /** A checksum that depends on the order of what was added. */
  static long add(long sum, long seed, long split, long i) {
    return mix(sum ^ hash(seed, split, i));
  }

  private static long hash(long seed, long split, long i) {
    return mix(mix(seed * 31 + split) ^ i);
  }

  private static long mix(long z) {
    z += 0x9e3779b97f4a7c15L;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }
}
