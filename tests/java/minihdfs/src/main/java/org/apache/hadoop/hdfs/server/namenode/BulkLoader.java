package org.apache.hadoop.hdfs.server.namenode;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.fs.permission.PermissionStatus;
import org.apache.hadoop.hdfs.protocol.Block;
import org.apache.hadoop.hdfs.protocol.BlockType;
import org.apache.hadoop.hdfs.server.blockmanagement.BlockInfo;
import org.apache.hadoop.hdfs.server.blockmanagement.BlockInfoContiguous;
import org.apache.hadoop.hdfs.server.blockmanagement.BlockManager;
import org.apache.hadoop.hdfs.server.namenode.FSDirectory.DirOp;

/** Puts inodes straight into a live namespace, without RPC and without an edit-log sync for each. */
public final class BulkLoader {
  private static final int BATCH = 10_000;
  private static final long BLOCK_SIZE = 128L << 20;
  private static final long GENERATION_STAMP = 1001;

  private final FSNamesystem namesystem;
  private final PermissionStatus fileRights;
  private final PermissionStatus directoryRights;
  private final boolean journal;

  /** With `journal` the files are in the edit log too: a standby sees them, and they outlive a restart. */
  public BulkLoader(FSNamesystem namesystem, String owner, String group, boolean journal) {
    this.namesystem = namesystem;
    this.fileRights = new PermissionStatus(owner, group, new FsPermission((short) 0644));
    this.directoryRights = new PermissionStatus(owner, group, new FsPermission((short) 0755));
    this.journal = journal;
  }

  /** Adds the named files to one directory. They are sorted first: its children are one sorted array. */
  public void addFiles(String dir, String[] names, long modified, long length, short replication) throws IOException {
    Arrays.sort(names);
    namesystem.mkdirs(dir, directoryRights, true);
    for (int start = 0; start == 0 || start < names.length; start += BATCH) {
      String[] batch = Arrays.copyOfRange(names, start, Math.min(names.length, start + BATCH));
      FSDirectory directory = namesystem.getFSDirectory();
      namesystem.writeLock();
      directory.writeLock();
      try {
        INodesInPath parent = directory.getINodesInPath(dir, DirOp.WRITE);
        for (String name : batch) {
          addFile(parent, name, modified, length, replication);
        }
        parent.getLastINode().asDirectory().setModificationTime(modified);
      } finally {
        directory.writeUnlock();
        namesystem.writeUnlock();
      }
    }
    namesystem.getEditLog().logSync();
  }

  private void addFile(INodesInPath parent, String name, long modified, long length, short replication)
      throws IOException {
    FSDirectory directory = namesystem.getFSDirectory();
    BlockManager blockManager = namesystem.getBlockManager();
    BlockInfo[] blocks = BlockInfo.EMPTY_ARRAY;
    if (length > 0) {
      long id = blockManager.nextBlockId(BlockType.CONTIGUOUS);
      blocks = new BlockInfo[] {new BlockInfoContiguous(new Block(id, length, GENERATION_STAMP), replication)};
    }
    INodeFile file = new INodeFile(directory.allocateNewInodeId(), bytes(name), fileRights,
        modified, modified, blocks, replication, BLOCK_SIZE);
    String path = parent.getPath() + "/" + name;
    if (directory.addLastINode(parent, file, fileRights.getPermission(), false) == null) {
      throw new IOException("exists: " + path);
    }
    if (journal) {
      log(path, file);
    }
    if (length > 0) {
      blockManager.addBlockCollection(blocks[0], file);
    }
  }

  /**
   * The bytes of a name: UTF-8, but U+F780 to U+F7FF stand for single bytes 0x80 to 0xFF. No RPC can make such a name,
   * and old images hold some.
   */
  private static byte[] bytes(String name) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    name.codePoints().forEach(c -> {
      if (c >= 0xF780 && c <= 0xF7FF) {
        out.write(c & 0xFF);
      } else {
        out.writeBytes(Character.toString(c).getBytes(StandardCharsets.UTF_8));
      }
    });
    return out.toByteArray();
  }

  private void log(String path, INodeFile file) {
    file.toUnderConstruction("bulk", "local");
    namesystem.getEditLog().logOpenFile(path, file, false, false);
    file.toCompleteFile(file.getModificationTime(), 0, (short) 1);
    namesystem.getEditLog().logCloseFile(path, file);
  }
}
