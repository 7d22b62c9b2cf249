package org.chksweep.flinkjobs;

import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;

/** Controls and counters that the command line and the operators share; the cluster is in this process. */
final class Control {
  private Control() {}

  /** What the gate does in its next snapshot. */
  enum Gate {
    OPEN, BLOCK, THROW
  }

  static volatile Gate gate = Gate.OPEN;
  static volatile long gateBlockMs;
  static volatile long gateReachedCheckpoint = -1;
  /** The keyed operator throws at its next record. */
  static volatile boolean throwNow;
  /** Data records that the keyed operator took. */
  static final AtomicLong processed = new AtomicLong();

  static final AtomicLong keysRight = new AtomicLong();
  static final AtomicLong keysWithState = new AtomicLong();
  static final Queue<String> keysWrong = new ConcurrentLinkedQueue<>();
  /** Of each restored split, where it was. */
  static final Map<Integer, Long> positions = new ConcurrentHashMap<>();
  static final AtomicLong writeAheadRecords = new AtomicLong();
  static final Queue<String> writeAheadWrong = new ConcurrentLinkedQueue<>();
}
