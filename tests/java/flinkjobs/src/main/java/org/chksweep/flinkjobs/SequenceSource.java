package org.chksweep.flinkjobs;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.core.io.InputStatus;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * A source of independent endless sequences ("splits"). Element i of split s goes to key
 * s * keysPerSplit + (i % keysPerSplit): every key is fed by one split only, in order. To audit, it emits for every
 * restored split at position p one order per key.
 */
public class SequenceSource implements Source<Element, SequenceSource.Split, List<SequenceSource.Split>> {
  private static final long serialVersionUID = 1L;
  private static final long MAX_LAG_NS = TimeUnit.SECONDS.toNanos(1);

  private final long seed;
  private final int splits;
  private final int keysPerSplit;
  private final int valueBytes;
  private final double rate; // records per second and reader; 0: as fast as possible
  private final boolean audit;

  SequenceSource(long seed, int splits, int keysPerSplit, int valueBytes, double rate, boolean audit) {
    this.seed = seed;
    this.splits = splits;
    this.keysPerSplit = keysPerSplit;
    this.valueBytes = valueBytes;
    this.rate = rate;
    this.audit = audit;
  }

  /** One sequence and how far it was read. */
  public static class Split implements SourceSplit, Serializable {
    private static final long serialVersionUID = 1L;

    private final int id;
    private long position;

    Split(int id, long position) {
      this.id = id;
      this.position = position;
    }

    @Override
    public String splitId() {
      return "s" + id;
    }

    Split copy() {
      return new Split(id, position);
    }

    void write(DataOutputStream out) throws IOException {
      out.writeInt(id);
      out.writeLong(position);
    }

    static Split read(DataInputStream in) throws IOException {
      return new Split(in.readInt(), in.readLong());
    }
  }

  @Override
  public Boundedness getBoundedness() {
    return Boundedness.CONTINUOUS_UNBOUNDED;
  }

  @Override
  public SplitEnumerator<Split, List<Split>> createEnumerator(SplitEnumeratorContext<Split> context) {
    List<Split> all = new ArrayList<>();
    for (int id = 0; id < splits; id++) {
      all.add(new Split(id, 0));
    }
    return new Enumerator(context, all);
  }

  @Override
  public SplitEnumerator<Split, List<Split>> restoreEnumerator(SplitEnumeratorContext<Split> context,
      List<Split> unassigned) {
    return new Enumerator(context, new ArrayList<>(unassigned));
  }

  @Override
  public SourceReader<Element, Split> createReader(SourceReaderContext context) {
    return new Reader();
  }

  @Override
  public SimpleVersionedSerializer<Split> getSplitSerializer() {
    return new Serializer<>() {
      @Override
      void write(Split split, DataOutputStream out) throws IOException {
        split.write(out);
      }

      @Override
      Split read(DataInputStream in) throws IOException {
        return Split.read(in);
      }
    };
  }

  @Override
  public SimpleVersionedSerializer<List<Split>> getEnumeratorCheckpointSerializer() {
    return new Serializer<>() {
      @Override
      void write(List<Split> list, DataOutputStream out) throws IOException {
        out.writeInt(list.size());
        for (Split split : list) {
          split.write(out);
        }
      }

      @Override
      List<Split> read(DataInputStream in) throws IOException {
        List<Split> list = new ArrayList<>();
        for (int left = in.readInt(); left > 0; left--) {
          list.add(Split.read(in));
        }
        return list;
      }
    };
  }

  /** Between bytes and data streams. */
  private abstract static class Serializer<T> implements SimpleVersionedSerializer<T> {
    abstract void write(T value, DataOutputStream out) throws IOException;

    abstract T read(DataInputStream in) throws IOException;

    @Override
    public int getVersion() {
      return 1;
    }

    @Override
    public byte[] serialize(T value) throws IOException {
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      write(value, new DataOutputStream(bytes));
      return bytes.toByteArray();
    }

    @Override
    public T deserialize(int version, byte[] bytes) throws IOException {
      return read(new DataInputStream(new ByteArrayInputStream(bytes)));
    }
  }

  /** Gives each reader the splits of its number. */
  private static class Enumerator implements SplitEnumerator<Split, List<Split>> {
    private final SplitEnumeratorContext<Split> context;
    private final List<Split> unassigned;

    Enumerator(SplitEnumeratorContext<Split> context, List<Split> unassigned) {
      this.context = context;
      this.unassigned = unassigned;
    }

    @Override
    public void start() {}

    @Override
    public void handleSplitRequest(int subtask, String host) {}

    @Override
    public void addSplitsBack(List<Split> returned, int subtask) {
      unassigned.addAll(returned);
    }

    @Override
    public void addReader(int subtask) {
      for (Iterator<Split> it = unassigned.iterator(); it.hasNext();) {
        Split split = it.next();
        if (split.id % context.currentParallelism() == subtask) {
          it.remove();
          context.assignSplit(split, subtask);
        }
      }
    }

    @Override
    public List<Split> snapshotState(long checkpointId) {
      return new ArrayList<>(unassigned);
    }

    @Override
    public void close() {}
  }

  /** Emits its splits' elements in turn, or their orders to audit. */
  private class Reader implements SourceReader<Element, Split> {
    private final List<Split> mine = new ArrayList<>();
    private final List<Element> orders = new ArrayList<>();
    private CompletableFuture<Void> available = new CompletableFuture<>();
    private int turn;
    private long startNs;
    private long emitted;

    @Override
    public void start() {}

    @Override
    public InputStatus pollNext(ReaderOutput<Element> out) {
      if (audit ? orders.isEmpty() : mine.isEmpty()) {
        available = new CompletableFuture<>();
        return InputStatus.NOTHING_AVAILABLE;
      }
      if (audit) {
        out.collect(orders.remove(orders.size() - 1));
      } else if (isDue()) {
        emit(mine.get(turn++ % mine.size()), out);
      } else {
        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(1));
      }
      return InputStatus.MORE_AVAILABLE;
    }

    private boolean isDue() {
      if (rate <= 0) {
        return true;
      }
      long lag = System.nanoTime() - (startNs + (long) (emitted * 1e9 / rate));
      if (lag > MAX_LAG_NS) {
        startOver();
      }
      return lag >= 0;
    }

    private void startOver() {
      startNs = System.nanoTime();
      emitted = 0;
    }

    private void emit(Split split, ReaderOutput<Element> out) {
      long i = split.position;
      long key = (long) split.id * keysPerSplit + i % keysPerSplit;
      out.collect(Element.data(split.id, key, i, Contents.payload(seed, split.id, i, valueBytes)));
      split.position = i + 1;
      emitted++;
    }

    @Override
    public List<Split> snapshotState(long checkpointId) {
      return mine.stream().map(Split::copy).toList();
    }

    @Override
    public CompletableFuture<Void> isAvailable() {
      return available;
    }

    @Override
    public void addSplits(List<Split> added) {
      for (Split split : added) {
        mine.add(split.copy());
        if (audit) {
          Control.positions.put(split.id, split.position);
          for (int k = 0; k < keysPerSplit; k++) {
            orders.add(Element.audit(split.id, (long) split.id * keysPerSplit + k, split.position));
          }
        }
      }
      startOver();
      available.complete(null);
    }

    @Override
    public void notifyNoMoreSplits() {}

    @Override
    public void close() {}
  }
}
