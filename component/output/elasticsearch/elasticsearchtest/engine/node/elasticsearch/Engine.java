import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.MockSecureSettings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.transport.TransportAddress;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.node.ClassPathNode;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.transport.netty4.Netty4Plugin;
import org.elasticsearch.xpack.core.XPackPlugin;
import org.elasticsearch.xpack.esql.plugin.EsqlPlugin;
import org.elasticsearch.xpack.kql.KqlPlugin;
import org.elasticsearch.xpack.security.SecurityWithoutSaml;

/**
 * One Elasticsearch node whose modules come from the class path. Arguments: the
 * node's home, then settings as name=value; xpack.security.enabled=true adds
 * security, with the user elastic whose password is "password"; the argument
 * queries adds ES|QL and KQL. It prints its URL and ends, and removes its home,
 * when standard input ends.
 */
public class Engine {
    public static void main(String[] arguments) throws Exception {
        LogConfigurator.configureESLogging();
        Path home = Path.of(arguments[0]);
        Files.createDirectories(home.resolve("config"));
        Settings.Builder builder = Settings.builder()
            .put("path.home", home.toString())
            .put("cluster.name", "defender-endpoint-test")
            .put("node.name", "engine")
            .put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1")
            .put("http.port", "0")
            .put("transport.port", "0")
            .put("transport.type", "netty4")
            .put("http.type", "netty4");
        List<Class<? extends Plugin>> plugins = new ArrayList<>(List.of(Netty4Plugin.class, StandIns.class));
        for (int i = 1; i < arguments.length; i++) {
            if (arguments[i].equals("queries")) {
                plugins.addAll(List.of(XPackPlugin.class, EsqlPlugin.class, KqlPlugin.class));
                continue;
            }
            String[] pair = arguments[i].split("=", 2);
            builder.put(pair[0], pair[1]);
        }
        if (builder.build().getAsBoolean("xpack.security.enabled", false)) {
            plugins.add(XPackPlugin.class);
            plugins.add(SecurityWithoutSaml.class);
            builder.put("transport.type", "security4").put("http.type", "security4");
            MockSecureSettings secrets = new MockSecureSettings();
            secrets.setString("bootstrap.password", "password");
            builder.setSecureSettings(secrets);
        }
        Node node = new ClassPathNode(builder.build(), home.resolve("config"), plugins);
        node.start();
        TransportAddress address = node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress();
        System.out.println("engine at http://" + address);
        while (System.in.read() >= 0) {
        }
        node.close();
        remove(home);
        System.exit(0);
    }

    static void remove(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            files.sorted(Comparator.reverseOrder()).forEach(file -> {
                try {
                    Files.delete(file);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        }
    }
}
