package org.chksweep.flinkjobs;

import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.flink.core.fs.FSDataInputStream;
import org.apache.flink.core.fs.Path;
import org.apache.flink.runtime.checkpoint.CheckpointProperties;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.runtime.checkpoint.metadata.CheckpointMetadata;
import org.apache.flink.runtime.state.StateObject;
import org.apache.flink.runtime.state.filesystem.FileStateHandle;
import org.apache.flink.runtime.state.memory.ByteStreamStateHandle;

/** Reads a `_metadata` with Flink's own loader and walks every object in it for what it names. */
final class MetadataDump {
  private static final Set<String> NAMES_DIRECTORY = Set.of("DirectoryStreamStateHandle", "DirectoryStateHandle");

  private static final String EMPTY = "EmptySegmentFileStateHandle";

  private final Map<String, Reference> references = new TreeMap<>();
  private final Set<String> directories = new TreeSet<>();
  private final Map<String, Integer> handleKinds = new TreeMap<>();
  private final Set<Object> seen = Collections.newSetFromMap(new IdentityHashMap<>());
  private int inlineHandles;
  private long inlineBytes;

  private MetadataDump() {}

  /** The dump, or why Flink does not read it. `location` is the file or the directory that holds it. */
  static Map<String, Object> of(String location) {
    Map<String, Object> dump = new LinkedHashMap<>();
    dump.put("location", location);
    try {
      new MetadataDump().load(location, dump);
    } catch (Exception | StackOverflowError e) {
      dump.put("error", Main.chain(e));
    }
    return dump;
  }

  private void load(String location, Map<String, Object> dump) throws Exception {
    Path path = new Path(location);
    Path file = path.getFileSystem().getFileStatus(path).isDir() ? new Path(path, "_metadata") : path;
    byte[] bytes = read(file);
    CheckpointMetadata metadata = Checkpoints.loadCheckpointMetadata(
        new DataInputStream(new ByteArrayInputStream(bytes)), getClass().getClassLoader(),
        file.getParent().toString());
    walk(metadata, "");
    dump.put("metadata", Tree.location(file));
    dump.put("version", version(bytes));
    dump.put("checkpointId", metadata.getCheckpointId());
    dump.put("kind", kind(metadata.getCheckpointProperties()));
    dump.put("references", references.values().stream().map(Reference::asMap).toList());
    dump.put("namedDirectories", directories);
    dump.put("handleKinds", handleKinds);
    dump.put("inlineHandles", inlineHandles);
    dump.put("inlineBytes", inlineBytes);
  }

  private static byte[] read(Path file) throws IOException {
    try (FSDataInputStream in = file.getFileSystem().open(file)) {
      return new BufferedInputStream(in).readAllBytes();
    }
  }

  /** The integer behind the magic number. */
  private static int version(byte[] bytes) throws IOException {
    DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes));
    in.readInt();
    return in.readInt();
  }

  private static String kind(CheckpointProperties properties) {
    if (properties == null) {
      return "unknown";
    }
    return properties.isSavepoint() ? "savepoint" : "checkpoint";
  }

  /** `holder`: the state handle, and the field of it, in which this object was found. */
  private void walk(Object object, String holder) throws Exception {
    if (object == null || !seen.add(object)) {
      return;
    }
    if (object instanceof Optional<?> optional) {
      walk(optional.orElse(null), holder);
    } else if (object instanceof Map<?, ?> map) {
      walk(map.keySet().toArray(), holder);
      walk(map.values().toArray(), holder);
    } else if (object instanceof Collection<?> collection) {
      walk(collection.toArray(), holder);
    } else if (object instanceof Object[] array) {
      for (Object element : array) {
        walk(element, holder);
      }
    } else if (isFlinks(object.getClass()) && !(object instanceof Path) && !(object instanceof Enum)) {
      walkFlinkObject(object, holder);
    }
  }

  private static boolean isFlinks(Class<?> type) {
    return type.getName().startsWith("org.apache.flink.");
  }

  private void walkFlinkObject(Object object, String holder) throws Exception {
    String kind = object.getClass().getSimpleName();
    if (object instanceof StateObject && kind.contains("Handle")) {
      handleKinds.merge(kind, 1, Integer::sum);
    }
    if (object instanceof ByteStreamStateHandle inline) {
      inlineHandles++;
      inlineBytes += inline.getStateSize();
    } else if (NAMES_DIRECTORY.contains(kind)) {
      directories.add(Tree.location(new Path(String.valueOf(directory(object)))));
    } else if (kind.equals(EMPTY)) {
      seen.remove(object); // one object stands for all of them; it names no file
    } else if (kind.equals("SegmentFileStateHandle")) {
      long start = ((Number) field(object, "startPos")).longValue();
      long size = ((Number) field(object, "stateSize")).longValue();
      reference((Path) field(object, "filePath")).addSegment(kind, holder, start + size);
    } else if (object instanceof FileStateHandle file) {
      reference(file.getFilePath()).addFile(kind, holder, file.getStateSize());
    } else if (kind.startsWith("Placeholder")) {
      throw new IOException("a placeholder handle in the metadata: " + object);
    } else {
      walkFields(object, holder);
    }
  }

  private void walkFields(Object object, String holder) throws Exception {
    for (Class<?> type = object.getClass(); isFlinks(type); type = type.getSuperclass()) {
      for (Field field : type.getDeclaredFields()) {
        boolean data = !Modifier.isStatic(field.getModifiers()) && !field.getType().isPrimitive();
        if (data && !field.getName().equals("sharedStateRegistry")) {
          field.setAccessible(true);
          boolean handle = object instanceof StateObject;
          walk(field.get(object),
              handle ? object.getClass().getSimpleName() + "." + field.getName() : holder);
        }
      }
    }
  }

  private Reference reference(Path path) {
    return references.computeIfAbsent(Tree.location(path), Reference::new);
  }

  private static Object directory(Object handle) throws Exception {
    Object path = field(handle, "directory");
    return path == null ? field(handle, "directoryString") : path;
  }

  private static Object field(Object object, String name) throws Exception {
    for (Class<?> type = object.getClass(); type != null; type = type.getSuperclass()) {
      for (Field field : type.getDeclaredFields()) {
        if (field.getName().equals(name)) {
          field.setAccessible(true);
          return field.get(object);
        }
      }
    }
    return null;
  }

  /** A file that is named, and all that is said of it. */
  private static final class Reference {
    private final String path;
    private final Set<Long> sizes = new TreeSet<>();
    private final Set<String> kinds = new TreeSet<>();
    private final Set<String> holders = new TreeSet<>();
    private long minBytes;
    private int handles;

    Reference(String path) {
      this.path = path;
    }

    void addFile(String kind, String holder, long size) {
      sizes.add(size);
      add(kind, holder, size);
    }

    void addSegment(String kind, String holder, long end) {
      add(kind, holder, end);
    }

    private void add(String kind, String holder, long end) {
      kinds.add(kind);
      holders.add(holder);
      minBytes = Math.max(minBytes, end);
      handles++;
    }

    /** "bytes" is null when only segments tell of it, when handles disagree, or when they do not know. */
    Map<String, Object> asMap() {
      Map<String, Object> map = new LinkedHashMap<>();
      map.put("path", path);
      List<Long> told = new ArrayList<>(sizes);
      map.put("bytes", told.size() == 1 && told.get(0) >= 0 ? told.get(0) : null);
      map.put("minBytes", minBytes);
      map.put("handles", handles);
      map.put("kinds", kinds);
      map.put("holders", holders);
      return map;
    }
  }
}
