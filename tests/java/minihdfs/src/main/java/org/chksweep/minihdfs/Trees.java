package org.chksweep.minihdfs;

import java.io.File;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.CannotObtainBlockLengthException;
import org.apache.hadoop.hdfs.DistributedFileSystem;

/** Whole trees: copied in and out, listed, made older; and files held open. */
final class Trees {
  private final Cluster cluster;
  private final Map<String, FSDataOutputStream> open = new HashMap<>();

  Trees(Cluster cluster) {
    this.cluster = cluster;
  }

  /** Makes `from`'s contents those of the directory `to`; returns how many files that were. */
  long put(File from, Path to) throws IOException {
    DistributedFileSystem fs = cluster.fileSystem();
    File[] children = from.listFiles();
    if (children == null) {
      throw new IOException("not a local directory: " + from);
    }
    fs.mkdirs(to);
    long files = 0;
    for (File child : children) {
      Path target = new Path(to, child.getName());
      if (child.isDirectory()) {
        files += put(child, target);
      } else {
        try (OutputStream out = fs.create(target, true)) {
          Files.copy(child.toPath(), out);
        }
        setModified(target, child.lastModified());
        files++;
      }
    }
    setModified(to, from.lastModified());
    return files;
  }

  /** The other way round. */
  long get(Path from, File to) throws IOException {
    DistributedFileSystem fs = cluster.fileSystem();
    FileStatus self = fs.getFileStatus(from);
    Files.createDirectories(to.toPath());
    long files = 0;
    for (FileStatus child : fs.listStatus(from)) {
      File target = new File(to, child.getPath().getName());
      if (child.isDirectory()) {
        files += get(child.getPath(), target);
      } else {
        try (InputStream in = fs.open(child.getPath())) {
          Files.copy(in, target.toPath());
        }
        target.setLastModified(child.getModificationTime());
        files++;
      }
    }
    to.setLastModified(self.getModificationTime());
    return files;
  }

  /** Sets modification and access times of `path` and all below back; returns how many entries that were. */
  long age(Path path, long seconds) throws IOException {
    List<FileStatus> all = walk(cluster.fileSystem().getFileStatus(path), new ArrayList<>());
    for (FileStatus entry : all) {
      long accessed = entry.isDirectory() ? -1 : entry.getAccessTime() - 1000 * seconds;
      cluster.nameNode().setTimes(plain(entry), entry.getModificationTime() - 1000 * seconds, accessed);
    }
    return all.size();
  }

  /** Everything below `path`, parents before children. */
  List<Map<String, Object>> list(Path path, boolean withDigests) throws IOException {
    List<FileStatus> all = walk(cluster.fileSystem().getFileStatus(path), new ArrayList<>());
    List<Map<String, Object>> entries = new ArrayList<>();
    for (FileStatus entry : all.subList(1, all.size())) {
      Map<String, Object> e = new LinkedHashMap<>();
      e.put("path", plain(entry));
      e.put("type", entry.isDirectory() ? "directory" : "file");
      e.put("length", entry.getLen());
      e.put("mtime", entry.getModificationTime());
      if (withDigests && !entry.isDirectory()) {
        e.put("sha256", digest(entry.getPath()));
      }
      entries.add(e);
    }
    return entries;
  }

  /** The digest of what can be read; of a file that somebody still writes there may be nothing. */
  private String digest(Path file) throws IOException {
    try (InputStream in = cluster.fileSystem().open(file)) {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(in.readAllBytes()));
    } catch (CannotObtainBlockLengthException e) {
      return "open";
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private List<FileStatus> walk(FileStatus from, List<FileStatus> into) throws IOException {
    into.add(from);
    if (from.isDirectory()) {
      for (FileStatus child : cluster.fileSystem().listStatus(from.getPath())) {
        walk(child, into);
      }
    }
    return into;
  }

  /** Creates a file, flushes so many bytes to it, and leaves it under construction. */
  void open(String path, int bytes) throws IOException {
    FSDataOutputStream out = cluster.fileSystem().create(new Path(path), true);
    out.write(new byte[bytes]);
    out.hsync();
    open.put(path, out);
  }

  void close(String path) throws IOException {
    FSDataOutputStream out = open.remove(path);
    if (out == null) {
      throw new FileNotFoundException("not open: " + path);
    }
    out.close();
  }

  private void setModified(Path path, long millis) throws IOException {
    cluster.fileSystem().setTimes(path, millis, -1);
  }

  private static String plain(FileStatus entry) {
    return entry.getPath().toUri().getPath();
  }
}
