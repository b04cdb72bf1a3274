import java.nio.file.Files;
import java.nio.file.Path;

/**
 * One Kafka broker with its controller. Arguments: the file of its settings, then
 * those of its formatting, which happens once. It ends when standard input ends.
 */
public final class Broker {
    private Broker() {
    }

    public static void main(String[] arguments) throws Exception {
        Path settings = Path.of(arguments[0]);
        Path formatted = settings.resolveSibling("formatted");
        if (!Files.exists(formatted)) {
            String[] format = new String[arguments.length - 1];
            System.arraycopy(arguments, 1, format, 0, format.length);
            int code = kafka.tools.StorageTool.execute(format, System.err);
            if (code != 0) {
                System.exit(code);
            }
            Files.createFile(formatted);
        }
        Thread watch = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                }
            } catch (java.io.IOException ended) {
                // it has ended, too
            }
            System.exit(0);
        });
        watch.setDaemon(true);
        watch.start();
        kafka.Kafka.main(new String[] {settings.toString()});
    }
}
